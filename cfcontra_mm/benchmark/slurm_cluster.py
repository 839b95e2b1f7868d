"""Steps as Slurm jobs, by submitit."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cfcontra_mm.errors import InputError

from .cluster import Cluster, Ended, require, work
from .steps import Step

DEFAULTS = {'timeout_min': 24 * 60, 'gpus_per_node': 1, 'cpus_per_task': 8}
# Slurm kills what has not ended half a minute after it was cancelled.
CANCEL_SECONDS = 60


@dataclass(frozen=True)
class Work:
    """A call of :func:`work` that Slurm may interrupt and start again."""

    step: Step
    tools: Path
    folder: Path

    def __call__(self) -> Ended:
        """Bring the step to its end."""
        return work(self.step, self.tools, self.folder)

    def checkpoint(self) -> Any:
        """What submitit starts in place of a job that ran out of time: the same.

        The training goes on from its newest checkpoint by itself.
        """
        return require('submitit', 'slurm').helpers.DelayedSubmission(self)


class SlurmCluster(Cluster):
    """The Slurm of this machine.

    A job that a killed study left behind is found again by what it noted beside its
    step's log, and is not submitted twice.

    Args:
        folder: For the jobs' scripts and logs.
        options: Parameters of submitit in place of the defaults, such as
            ``slurm_partition`` or ``timeout_min``.

    Raises:
        InputError: submitit or Slurm is missing, or an option is unknown.
    """

    def __init__(self, folder: Path, options: Mapping[str, Any]) -> None:
        self.submitit = require('submitit', 'slurm')
        try:
            self.executor = self.submitit.AutoExecutor(folder, cluster='slurm')
            self.executor.update_parameters(**{**DEFAULTS, **options})
        except (RuntimeError, NameError, TypeError, ValueError, AssertionError) as e:
            raise InputError(f'--launcher slurm: {str(e).splitlines()[0]}') from e

    def num_workers(self, num_steps: int) -> int:
        return num_steps

    def submit(self, step: Step, tools: Path, folder: Path) -> Any:
        note = step.log.with_suffix('.slurm_job')
        job = self._left_behind(note)
        if job is None:
            job = self.executor.submit(Work(step, tools, folder))
            note.parent.mkdir(parents=True, exist_ok=True)
            note.write_text(f'{job.job_id} {job.paths.folder}')
        return job

    def _left_behind(self, note: Path) -> Any:
        """The job of a note, None if there is none or it has ended."""
        if not note.exists():
            return None
        # With its folder: it may be a job of another study, which shares the run.
        job_id, folder = note.read_text().split(' ', 1)
        job = self.submitit.SlurmJob(folder, job_id)
        return None if job.done() else job

    def result(self, handle: Any) -> Ended | None:
        if not handle.done():
            return None
        try:
            return handle.result()
        except Exception:  # submitit's are long; the file has it all
            error = f'job {handle.job_id} ended as {handle.state} without a result'
            return Ended('failed', 0.0, '', f'{error}, see {handle.paths.stderr}', '')

    def cancel(self, handles: Sequence[Any]) -> None:
        for handle in handles:
            handle.cancel(check=False)  # it may have ended just now
        end = time.monotonic() + CANCEL_SECONDS
        for handle in handles:
            # Ask Slurm each time: `wait` would, after hours, every ten minutes.
            while not handle.done(force_check=True) and time.monotonic() < end:
                time.sleep(1)
