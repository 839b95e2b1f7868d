"""Steps handed to the scheduler of a cluster, which decides where and when they run."""

from __future__ import annotations

import importlib
import os
import sys
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
LEASH = Path(__file__).with_name('leash.py')


@dataclass(frozen=True)
class Ended:
    """How a step ended on its node; the fields are those of :class:`Job`."""

    state: str
    seconds: float
    outcome: str
    error: str
    crash: str


def work(step: Step, tools: Path, folder: Path) -> Ended:
    """Bring a step to its end, on the node that the scheduler chose.

    Args:
        step: The step; what it needs is finished.
        tools: Folder of ``train.py`` and the other tools.
        folder: Working directory of the study, which every node must see.
    """
    if not folder.is_dir():
        error = (
            f'{folder}: not there on node {os.uname().nodename}; start the study in a '
            'folder that all nodes share'
        )
        return Ended('failed', 0.0, '', error, '')
    os.chdir(folder)
    # A scheduler that gives GPUs says which in this variable.
    on_gpu = os.environ.get('CUDA_VISIBLE_DEVICES')
    # Else a worker that is killed would leave a training behind, beside which the next
    # would start in the same folder.
    job = Job(step, prefix=(sys.executable, '-I', str(LEASH), str(os.getpid())))
    with terminable():
        try:
            job.start(tools, {} if on_gpu else SINGLE_THREAD)
            while job.poll():
                time.sleep(POLL_SECONDS)
        finally:
            job.end()
    return Ended(job.state, job.seconds, job.outcome, job.error, job.crash)


class Cluster(ABC):
    """A scheduler.

    Attributes:
        finds_jobs_again: Whether its jobs outlive a study that is killed, and the next
            one follows them by :attr:`.Step.job_note`.
    """

    finds_jobs_again = False

    @abstractmethod
    def num_workers(self, num_steps: int) -> int:
        """How many steps may run at once, for the estimate of time."""

    @abstractmethod
    def submit(self, step: Step, tools: Path, folder: Path) -> Any:
        """Hand over a call of :func:`work`; returns what stands for it.

        Raises:
            InputError: The scheduler refuses it.
        """

    @abstractmethod
    def result(self, handle: Any) -> Ended | None:
        """How it ended, None before the end."""

    @abstractmethod
    def cancel(self, handles: Sequence[Any]) -> None:
        """End the calls that are waiting or under way, and wait for their end."""


class ClusterJob(Job):
    """A step on its way on some node.

    Args:
        step: The step.
        cluster: Where to run it.
    """

    def __init__(self, step: Step, cluster: Cluster) -> None:
        super().__init__(step)
        self.cluster = cluster
        self.handle: Any = None

    def submit(self, tools: Path) -> None:
        """Hand the step to the scheduler."""
        self.started = time.time()
        self.state = 'submitted'
        self.tools = tools
        try:
            self.handle = self.cluster.submit(self.step, tools, Path.cwd())
        except InputError as error:
            self.fail(str(error))

    def poll(self) -> bool:
        """False once the step is done or failed."""
        if self.handle is None:
            return False
        ended = self.cluster.result(self.handle)
        if ended:
            for field in fields(Ended):
                setattr(self, field.name, getattr(ended, field.name))
        return ended is None

    def status(self) -> Status:
        """Where the step stands, from its log, which the nodes share."""
        if self.state in RUNNING and self._has_begun():
            left = self.step.commands(self.tools)
            self.state = next(iter(left), self.state)
        return super().status()

    def _has_begun(self) -> bool:
        log = self.step.log
        return log.exists() and log.stat().st_mtime >= self.started


class ClusterPool(Pool):
    """Work through steps on a cluster; each is handed over once all it needs is done.

    Args:
        steps: Unfinished steps, with all unfinished ones that they need.
        tools: Folder of ``train.py`` and the other tools.
        cluster: The scheduler.
    """

    def __init__(self, steps: Sequence[Step], tools: Path, cluster: Cluster) -> None:
        self.cluster = cluster
        super().__init__(steps, tools, environments=())
        self.num_workers = cluster.num_workers(len(steps))

    def new_job(self, step: Step) -> ClusterJob:
        """What has the scheduler bring a step to its end."""
        return ClusterJob(step, self.cluster)

    def start_ready(self) -> None:
        """Hand over all that can start: the scheduler has the queue."""
        for job in filter(self.is_ready, list(self.queue)):
            self.queue.remove(job)
            self.active.append(job)
            job.submit(self.tools)

    def release(self, job: Job) -> None:
        """Nothing to give back: devices are the scheduler's."""

    def stop(self) -> None:
        """End every process."""
        self.cluster.cancel([job.handle for job in self.active if job.handle])


def require(module: str, launcher: str) -> ModuleType:
    """Import the package of a launcher.

    Raises:
        InputError: It is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InputError(
            f'--launcher {launcher}: {module} is not installed; '
            f"pip install 'cfcontra-mm[{launcher}]'"
        ) from error
