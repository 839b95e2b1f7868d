"""Steps as processes, as many at once as there are devices."""

from __future__ import annotations

import math
import os
import re
import signal
import subprocess
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from cfcontra_mm.benchmark.results.records import Record
from cfcontra_mm.errors import InputError

from .progress import RUNNING, Status, read_training
from .run import Run
from .step import Step

GRACE_SECONDS = 10.0
# The last line of a traceback, or what a tool says of bad input.
ERROR = re.compile(r'(error|[\w.]*(Error|Exception)): .*')
# Of a tool that was asked for what cannot be; asking again would not help.
USAGE_ERROR = 2
# Of a step on the CPU, however many run: sums in another order give other numbers, and
# a step's result must not depend on which were started beside it.
SINGLE_THREAD = {'OMP_NUM_THREADS': '1', 'MKL_NUM_THREADS': '1'}


def device_environments(num_steps: int) -> list[dict[str, str]]:
    """Environment variables of every worker: one a GPU, else one a CPU core."""
    num_gpus = torch.cuda.device_count()
    if num_gpus:
        default = ','.join(map(str, range(num_gpus)))
        visible = os.environ.get('CUDA_VISIBLE_DEVICES', default).split(',')
        # It may name more than there are.
        workers = visible[: min(num_gpus, num_steps)]
        return [{'CUDA_VISIBLE_DEVICES': gpu} for gpu in workers]
    cores = len(os.sched_getaffinity(0))
    return [dict(SINGLE_THREAD) for _ in range(min(cores, num_steps))]


class Job:
    """A step on its way: its processes one after the other, then its mark.

    A process that crashes is given one more chance, from the newest checkpoint on.

    Args:
        step: The step, queued until :meth:`start`.
        prefix: What its command lines begin with.
    """

    def __init__(self, step: Step, prefix: Sequence[str] = ()) -> None:
        self.step = step
        self.prefix = prefix
        self.state = 'queued'
        self.resumed_from = step.iteration()
        # What is logged counts from the start on.
        self.started = math.inf
        self.seconds = 0.0
        self.seconds_per_iter: float | None = None
        self.process: subprocess.Popen | None = None
        self.last_status: Status | None = None
        self.outcome = self.error = self.crash = ''

    def start(
        self, tools: Path, environment: dict[str, str], keep_open: Sequence[int] = ()
    ) -> None:
        """Start the first process.

        Args:
            tools: Folder of ``train.py`` and the other tools.
            environment: Variables that bind the processes to their device.
            keep_open: File descriptors that they inherit.
        """
        self.environment = environment
        self.keep_open = keep_open
        self.tools = tools
        self.started = time.time()
        try:
            self.step.begin()
        except InputError as error:
            self.fail(str(error))
        else:
            self._work()

    def _work(self) -> None:
        self.remaining = deque(self.step.commands(self.tools).items())
        self._go_on()

    def _go_on(self) -> None:
        if self.remaining:
            self._start_next()
        else:
            self._finish()

    def _start_next(self) -> None:
        try:
            # What the process imports may have been edited since the one before.
            self.step.check_sources()
        except InputError as error:
            self.fail(str(error))
            return
        self.state, command = self.remaining.popleft()
        with self.step.log.open('ab') as log:
            self.process = subprocess.Popen(
                [*self.prefix, *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.environment},
                # Its own group: a Ctrl-C reaches it, and the data workers that it
                # started, once and through `terminate`.
                start_new_session=True,
                pass_fds=self.keep_open,
            )

    def poll(self) -> bool:
        """Move on if a process ended; False once the step is done or failed."""
        if self.state in RUNNING:
            status = self.process.poll()
            if status:
                self._recover(status)
            elif status == 0:
                self._go_on()
        return self.state in RUNNING

    def _recover(self, status: int) -> None:
        error = f'{self.state} ended with exit status {status}{_reason(self.step.log)}'
        if self.crash or status == USAGE_ERROR:
            self.fail(error)
        else:
            self.crash = error
            self._work()

    def _finish(self) -> None:
        self.seconds = time.time() - self.started
        try:
            self.outcome = self.step.finish(self.seconds, self.resumed_from)
            self.state = 'done'
        except InputError as error:
            self.fail(str(error))

    def fail(self, error: str) -> None:
        """Give the step up for this reason."""
        self.state, self.error = 'failed', error

    def status(self) -> Status:
        """Where the step stands, from its log, which stays as it is after the end."""
        known = self.last_status and self.last_status.state == self.state
        if self.state in RUNNING or not known:
            self.last_status = self._read_status()
        return self.last_status

    def _read_status(self) -> Status:
        iteration, pace, miou = read_training(self.step.work_dir, self.started)
        self.seconds_per_iter = pace or self.seconds_per_iter
        if self.state in ('testing', 'done'):
            iteration = self.step.max_iters
        return Status(
            self.step.label,
            self.state,
            max(iteration, self.resumed_from),
            self.step.max_iters,
            self.seconds_per_iter,
            miou,
        )

    def end(self) -> None:
        """End the processes of a step that is still under way."""
        self.terminate()
        self.wait()

    def terminate(self) -> None:
        """Ask the processes of a step that is still under way to end."""
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)

    def wait(self) -> None:
        """Wait for their end, and enforce it after a while."""
        if not self.process:
            return
        try:
            self.process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class Pool:
    """Work through steps, one on each device at a time.

    A step starts once all that it needs is done. Of those that can start, what others
    need goes first, then the longest.

    Args:
        steps: Unfinished steps, with all unfinished ones that they need.
        tools: Folder of ``train.py`` and the other tools.
        environments: One worker each, see :func:`device_environments`.
        keep_open: File descriptors that the processes inherit.
    """

    def __init__(
        self,
        steps: Sequence[Step],
        tools: Path,
        environments: Sequence[dict[str, str]],
        keep_open: Sequence[int] = (),
    ) -> None:
        needed = {need for step in steps for need in step.needs}
        order = sorted(
            steps, key=lambda s: (s in needed, _iterations_left(s)), reverse=True
        )
        self.jobs = {step: self.new_job(step) for step in order}
        self.queue = list(self.jobs.values())
        self.active: list[Job] = []
        self.tools = tools
        self.idle = list(environments)
        self.num_workers = len(self.idle)
        self.keep_open = keep_open

    def new_job(self, step: Step) -> Job:
        """What brings a step to its end."""
        return Job(step)

    def step(self) -> Iterator[Job]:
        """Start what can start; yield the jobs that ended since the last step."""
        for job in list(self.active):
            if not job.poll():
                self.active.remove(job)
                self.release(job)
                yield job
        yield from self._fail_dependants()
        self.start_ready()

    def start_ready(self) -> None:
        """Start as many of those that can start as there are idle workers."""
        while self.idle and (job := next(filter(self.is_ready, self.queue), None)):
            self.queue.remove(job)
            # First, so that an interrupt meanwhile ends it too.
            self.active.append(job)
            job.start(self.tools, self.idle.pop(), self.keep_open)

    def release(self, job: Job) -> None:
        """Let the worker of a job that ended take another."""
        self.idle.append(job.environment)

    def _fail_dependants(self) -> Iterator[Job]:
        for job in list(self.queue):
            failed = [need for need in self._needs(job) if need.state == 'failed']
            if failed:
                self.queue.remove(job)
                job.fail(f'needs {failed[0].step.label!r}, which failed')
                yield job

    def is_ready(self, job: Job) -> bool:
        """Whether all that it needs is done."""
        return all(need.state == 'done' for need in self._needs(job))

    def _needs(self, job: Job) -> list[Job]:
        # What was finished before is not in the pool.
        return [self.jobs[need] for need in job.step.needs if need in self.jobs]

    def busy(self) -> bool:
        return bool(self.active or self.queue)

    def statuses(self) -> list[Status]:
        """Where every step of the pool stands."""
        return [job.status() for job in self.jobs.values()]

    def stop(self) -> None:
        """End every process."""
        for job in self.active:
            job.terminate()
        for job in self.active:
            job.wait()


def _reason(log: Path) -> str:
    """The error in which a log ends, behind a colon; nothing if it ends otherwise."""
    lines = log.read_text(errors='replace').rstrip().splitlines()
    found = lines and ERROR.match(lines[-1])
    return f': {found[0]}' if found else ''


def finished_status(run: Run, record: Record) -> Status:
    """Where a run stands that an earlier call finished."""
    trained = run.max_iters - record.resumed_from
    pace = record.wall_seconds / trained if trained else None
    return Status(run.label, 'done', run.max_iters, run.max_iters, pace)


def _iterations_left(step: Step) -> int:
    return step.max_iters - step.iteration()
