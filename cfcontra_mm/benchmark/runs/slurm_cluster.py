"""Run steps as Slurm jobs, through submitit."""

from __future__ import annotations

import math
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cfcontra_mm.errors import InputError
from cfcontra_mm.files import write_whole

from .cluster import Cluster, StepResult, require, work
from .step import Step

DEFAULTS = {'timeout_min': 24 * 60, 'gpus_per_node': 1, 'cpus_per_task': 8}
# Slurm kills a job that has not ended half a minute after it was cancelled.
CANCEL_SECONDS = 60
# By then Slurm lists every submitted job; if it does not, it has forgotten the job.
LISTED_SECONDS = 300
QUEUE_SECONDS = 3


@dataclass(frozen=True)
class Work:
    """A call of :func:`work` that Slurm may interrupt and restart."""

    step: Step
    tools: Path
    folder: Path

    def __call__(self) -> StepResult:
        """Run the step until it ends."""
        return work(self.step, self.tools, self.folder)

    def checkpoint(self) -> Any:
        """Return what submitit submits in place of a job that timed out: itself.

        The training resumes from its newest checkpoint.
        """
        return require('submitit', 'slurm').helpers.DelayedSubmission(self)


@dataclass(frozen=True)
class NotedJob:
    """A job of submitit, and the file by which a later study finds it."""

    job: Any
    note: Path


class SlurmCluster(Cluster):
    """The Slurm cluster of this machine.

    A job that outlived a killed study is found again by the file beside its step's log,
    and is not submitted twice.

    Args:
        folder: Folder of the jobs' scripts and logs.
        options: Parameters of submitit, such as ``slurm_partition`` or ``timeout_min``,
            which override the defaults.

    Raises:
        InputError: submitit or Slurm is missing, or an option is unknown.
    """

    finds_jobs_again = True

    def __init__(self, folder: Path, options: Mapping[str, Any]) -> None:
        self.submitit = require('submitit', 'slurm')
        self.queue = _Queue()
        try:
            self.executor = self.submitit.AutoExecutor(folder, cluster='slurm')
            self.executor.update_parameters(**{**DEFAULTS, **options})
        except (RuntimeError, NameError, TypeError, ValueError, AssertionError) as e:
            raise InputError(f'--launcher slurm: {str(e).splitlines()[0]}') from e

    def num_workers(self, num_steps: int) -> int:
        return num_steps

    def submit(self, step: Step, tools: Path, folder: Path) -> NotedJob:
        """Submit a new job, or return the one that outlived a killed study."""
        note = step.job_note
        job = self._find_job(note)
        if job is None:
            job = self._submit(Work(step, tools, folder))
            self.queue.forget()
            write_whole(note, f'{job.job_id} {job.paths.folder}')
        return NotedJob(job, note)

    def _submit(self, work: Work) -> Any:
        try:
            return self.executor.submit(work)
        except self.submitit.core.utils.FailedJobError as error:
            reason = str(error).strip().splitlines()[-1]
            raise InputError(f'Slurm rejected the job: {reason}') from error

    def _find_job(self, note: Path) -> Any:
        """Return the job that a file names, None if it has ended or is forgotten."""
        if not note.exists():
            return None
        # With its folder: the job may be that of another study, which shares the run.
        job_id, folder = note.read_text().split(' ', 1)
        job = self.submitit.SlurmJob(folder, job_id)
        age = time.time() - note.stat().st_mtime
        forgotten = age > LISTED_SECONDS and job.state == 'UNKNOWN'
        return None if forgotten or self._has_ended(job) else job

    def result(self, handle: NotedJob) -> StepResult | None:
        """Return how the call ended; it has failed if its job left no result."""
        job = handle.job
        if not self._has_ended(job):
            return None
        handle.note.unlink(missing_ok=True)
        try:
            if job.done():  # otherwise submitit would wait for the result
                return job.result()
        except Exception:  # submitit's message is long; its file has all of it
            pass
        error = f'job {job.job_id} ended as {job.state} without a result'
        return StepResult('failed', 0.0, '', f'{error}, see {job.paths.stderr}', '')

    def cancel(self, handles: Sequence[NotedJob]) -> None:
        """Cancel the jobs; keep the file of a job that does not end."""
        for handle in handles:
            handle.job.cancel(check=False)  # it may have ended in the meantime
        end = time.monotonic() + CANCEL_SECONDS
        for handle in handles:
            # Not by `wait`, which queries Slurm about an old job every ten minutes.
            while not self._has_ended(handle.job, True) and time.monotonic() < end:
                time.sleep(1)
            if self._has_ended(handle.job):
                handle.note.unlink(missing_ok=True)

    def _has_ended(self, job: Any, at_once: bool = False) -> bool:
        """Tell whether a job has ended, by its result, its account or the queue.

        Without accounting, submitit never hears of the end of a job that left no
        result.
        """
        if job.done(force_check=at_once):
            return True
        return job.state == 'UNKNOWN' and not self.queue.lists(job.job_id)


class _Queue:
    """The jobs that are pending or running, asked for every few seconds."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Ask again the next time, as there is a new job."""
        self.asked = -math.inf

    def lists(self, job_id: str) -> bool:
        """Tell whether Slurm lists a job, or does not answer."""
        if time.monotonic() - self.asked > QUEUE_SECONDS:
            self.jobs, self.asked = _listed_jobs(), time.monotonic()
        return self.jobs is None or job_id in self.jobs


def _listed_jobs() -> set[str] | None:
    """Return the numbers of all jobs in the queue, None if Slurm does not answer."""
    command = ['squeue', '--noheader', '--format=%A']
    try:
        asked = subprocess.run(command, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return None if asked.returncode else set(asked.stdout.split())
