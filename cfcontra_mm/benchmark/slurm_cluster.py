"""Steps as Slurm jobs, by submitit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cfcontra_mm.errors import InputError

from .cluster import Cluster, Ended, require, work
from .steps import Step

DEFAULTS = {'timeout_min': 24 * 60, 'gpus_per_node': 1, 'cpus_per_task': 8}


class SlurmCluster(Cluster):
    """The Slurm of this machine.

    A job that a killed study left behind is found again by the number that it noted
    beside its step's log, and is not submitted twice.

    Args:
        folder: For the jobs' scripts and logs.
        options: Parameters of submitit in place of the defaults, such as
            ``slurm_partition`` or ``timeout_min``.
        executor: submitit's; Slurm's if None.

    Raises:
        InputError: submitit or Slurm is missing, or an option is unknown.
    """

    def __init__(
        self, folder: Path, options: Mapping[str, Any], executor: Any = None
    ) -> None:
        submitit = require('submitit', 'slurm')
        try:
            self.executor = executor or submitit.AutoExecutor(folder, cluster='slurm')
            self.executor.update_parameters(**{**DEFAULTS, **options})
        except (RuntimeError, NameError, TypeError, ValueError) as error:
            raise InputError(f'--launcher slurm: {error}') from error

    def num_workers(self, num_steps: int) -> int:
        return num_steps

    def submit(self, step: Step, tools: Path, folder: Path) -> Any:
        note = step.log.with_suffix('.slurm_job')
        if note.exists():
            job = self.executor.job_class(self.executor.folder, note.read_text())
            if not job.done():
                return job
        job = self.executor.submit(work, step, tools, folder)
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(job.job_id)
        return job

    def result(self, handle: Any) -> Ended | None:
        if not handle.done():
            return None
        try:
            return handle.result()
        except Exception as error:  # whatever the job, or Slurm, ended with
            reason = str(error).strip().splitlines()[-1]
            return Ended('failed', 0.0, '', f'job {handle.job_id}: {reason}', '')

    def cancel(self, handles: Sequence[Any]) -> None:
        for handle in handles:
            handle.cancel()
        for handle in handles:
            handle.wait()
