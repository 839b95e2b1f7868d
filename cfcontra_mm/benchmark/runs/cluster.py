"""Run steps on a cluster, whose scheduler decides where and when they run."""

from __future__ import annotations

import importlib
import os
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from types import ModuleType
from typing import Any

from cfcontra_mm.errors import InputError

from .guards import terminable
from .pool import SINGLE_THREAD, Job, Pool
from .progress import RUNNING, Status
from .step import Step

POLL_SECONDS = 0.5


@dataclass(frozen=True)
class StepResult:
    """How a step ended on its node; the fields are attributes of :class:`Job`."""

    state: str
    seconds: float
    outcome: str
    error: str
    crash: str


def work(step: Step, tools: Path, folder: Path) -> StepResult:
    """Run a step until it ends, on the node that the scheduler chose.

    Args:
        step: The step, whose needs are finished.
        tools: Folder of ``train.py`` and the other tools.
        folder: Working directory of the study, on a file system that all nodes share.
    """
    if not folder.is_dir():
        error = (
            f'{folder}: not found on node {os.uname().nodename}; start the study in a '
            'folder that all nodes share'
        )
        return StepResult('failed', 0.0, '', error, '')
    os.chdir(folder)
    # Ray cancels by SIGINT, which is ignored in what a shell starts in the background.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # A scheduler that assigns GPUs lists them in this variable.
    on_gpu = os.environ.get('CUDA_VISIBLE_DEVICES')
    job = Job(step)
    with terminable():
        try:
            job.start(tools, {} if on_gpu else SINGLE_THREAD)
            while job.poll():
                time.sleep(POLL_SECONDS)
        finally:
            job.end()
    return StepResult(job.state, job.seconds, job.outcome, job.error, job.crash)


class Cluster(ABC):
    """A scheduler.

    Attributes:
        finds_jobs_again: Whether its jobs outlive a killed study and the next study
            finds them by :attr:`.Step.job_note`.
    """

    finds_jobs_again = False

    @abstractmethod
    def num_workers(self, num_steps: int) -> int:
        """Return how many steps may run at once, for the time estimate."""

    @abstractmethod
    def submit(self, step: Step, tools: Path, folder: Path) -> Any:
        """Submit a call of :func:`work`, and return its handle.

        Raises:
            InputError: The scheduler rejects it.
        """

    @abstractmethod
    def result(self, handle: Any) -> StepResult | None:
        """Return how the call ended, None before its end."""

    @abstractmethod
    def cancel(self, handles: Sequence[Any]) -> None:
        """Cancel calls that are pending or running, and wait for their end."""


class ClusterJob(Job):
    """A step that a scheduler runs on one of its nodes.

    Args:
        step: The step.
        cluster: The scheduler.
    """

    def __init__(self, step: Step, cluster: Cluster) -> None:
        super().__init__(step)
        self.cluster = cluster
        self.handle: Any = None

    def start(
        self, tools: Path, environment: dict[str, str], keep_open: Sequence[int] = ()
    ) -> None:
        """Submit the step to the scheduler, which sets the environment."""
        self.started = time.time()
        self.state = 'submitted'
        self.tools = tools
        try:
            self.handle = self.cluster.submit(self.step, tools, Path.cwd())
        except InputError as error:
            self.fail(str(error))

    def poll(self) -> bool:
        """Tell whether the step is still pending or running."""
        if self.handle is None:
            return False
        result = self.cluster.result(self.handle)
        if result:
            for field in fields(StepResult):
                setattr(self, field.name, getattr(result, field.name))
        return result is None

    def status(self) -> Status:
        """Return the state of the step, from its log, which the nodes share."""
        if self.state in RUNNING and self._has_begun():
            left = self.step.commands(self.tools)
            self.state = next(iter(left), self.state)
        return super().status()

    def _has_begun(self) -> bool:
        log = self.step.log
        return log.exists() and log.stat().st_mtime >= self.started


class ClusterPool(Pool):
    """Run steps on a cluster; each is submitted once its needs are done.

    Args:
        steps: Unfinished steps, including all unfinished ones that they need.
        tools: Folder of ``train.py`` and the other tools.
        cluster: The scheduler.
    """

    def __init__(self, steps: Sequence[Step], tools: Path, cluster: Cluster) -> None:
        self.cluster = cluster
        super().__init__(steps, tools, environments=())
        self.num_workers = cluster.num_workers(len(steps))

    def new_job(self, step: Step) -> ClusterJob:
        """Build the job of a step."""
        return ClusterJob(step, self.cluster)

    def start_ready(self) -> None:
        """Submit every step whose needs are done: the scheduler queues them."""
        for job in filter(self.is_ready, list(self.queue)):
            self.queue.remove(job)
            self.active.append(job)
            job.start(self.tools, {})

    def release(self, job: Job) -> None:
        """Do nothing: the devices belong to the scheduler."""

    def stop(self) -> None:
        """End every process."""
        jobs = (job for job in self.active if isinstance(job, ClusterJob))
        self.cluster.cancel([job.handle for job in jobs if job.handle])


def require(module: str, launcher: str) -> ModuleType:
    """Import the package that a launcher needs.

    Raises:
        InputError: The package is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InputError(
            f'--launcher {launcher}: {module} is not installed; '
            f"pip install 'cfcontra-mm[{launcher}]'"
        ) from error
