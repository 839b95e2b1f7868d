"""Steps as Slurm jobs, by submitit."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cfcontra_mm.errors import InputError
from cfcontra_mm.files import write_whole

from .cluster import Cluster, Ended, require, work
from .step import Step

DEFAULTS = {'timeout_min': 24 * 60, 'gpus_per_node': 1, 'cpus_per_task': 8}
# Slurm kills what has not ended half a minute after it was cancelled.
CANCEL_SECONDS = 60
# By then Slurm lists a job that was submitted; one that it does not list is forgotten.
LISTED_SECONDS = 300


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


@dataclass(frozen=True)
class NotedJob:
    """A job of submitit's, and the note by which a later study finds it."""

    job: Any
    note: Path


class SlurmCluster(Cluster):
    """The Slurm of this machine.

    A job that a killed study left behind is found again by the note beside its step's
    log, and is not submitted twice.

    Args:
        folder: For the jobs' scripts and logs.
        options: Parameters of submitit in place of the defaults, such as
            ``slurm_partition`` or ``timeout_min``.

    Raises:
        InputError: submitit or Slurm is missing, or an option is unknown.
    """

    finds_jobs_again = True

    def __init__(self, folder: Path, options: Mapping[str, Any]) -> None:
        self.submitit = require('submitit', 'slurm')
        try:
            self.executor = self.submitit.AutoExecutor(folder, cluster='slurm')
            self.executor.update_parameters(**{**DEFAULTS, **options})
        except (RuntimeError, NameError, TypeError, ValueError, AssertionError) as e:
            raise InputError(f'--launcher slurm: {str(e).splitlines()[0]}') from e

    def num_workers(self, num_steps: int) -> int:
        return num_steps

    def submit(self, step: Step, tools: Path, folder: Path) -> NotedJob:
        """A new job, or the one that a killed study left behind."""
        note = step.job_note
        job = self._left_behind(note)
        if job is None:
            job = self._submit(Work(step, tools, folder))
            write_whole(note, f'{job.job_id} {job.paths.folder}')
        return NotedJob(job, note)

    def _submit(self, work: Work) -> Any:
        try:
            return self.executor.submit(work)
        except self.submitit.core.utils.FailedJobError as error:
            reason = str(error).strip().splitlines()[-1]
            raise InputError(f'Slurm refuses the job: {reason}') from error

    def _left_behind(self, note: Path) -> Any:
        """The job of a note, None if there is none, or it has ended or is forgotten."""
        if not note.exists():
            return None
        # With its folder: it may be a job of another study, which shares the run.
        job_id, folder = note.read_text().split(' ', 1)
        job = self.submitit.SlurmJob(folder, job_id)
        age = time.time() - note.stat().st_mtime
        forgotten = age > LISTED_SECONDS and job.state == 'UNKNOWN'
        return None if job.done() or forgotten else job

    def result(self, handle: NotedJob) -> Ended | None:
        """How it ended; what Slurm ended, or what left no result, has failed."""
        job = handle.job
        if not job.done():
            return None
        handle.note.unlink(missing_ok=True)
        try:
            return job.result()
        except Exception:  # submitit's are long; the file has it all
            error = f'job {job.job_id} ended as {job.state} without a result'
            return Ended('failed', 0.0, '', f'{error}, see {job.paths.stderr}', '')

    def cancel(self, handles: Sequence[NotedJob]) -> None:
        """End the jobs; the note of one that will not end stays."""
        for handle in handles:
            handle.job.cancel(check=False)  # it may have ended just now
        end = time.monotonic() + CANCEL_SECONDS
        for handle in handles:
            # Ask Slurm each time: `wait` would, after hours, every ten minutes.
            while not handle.job.done(force_check=True) and time.monotonic() < end:
                time.sleep(1)
            if handle.job.done():
                handle.note.unlink(missing_ok=True)
