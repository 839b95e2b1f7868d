"""Run steps as processes, as many at a time as there are devices."""

from __future__ import annotations

import math
import os
import re
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

import cfcontra_mm
from cfcontra_mm.benchmark.results.records import Record
from cfcontra_mm.errors import InputError

from .progress import RUNNING, Status, read_training
from .run import Run
from .step import Step

# What a training may need to end the iteration in hand and to save a checkpoint.
GRACE_SECONDS = 30.0
# The last line of a traceback, or a tool's message about bad input.
ERROR = re.compile(r'(error|[\w.]*(Error|Exception)): .*')
# Exit status of a tool on bad input; running it again would not help.
USAGE_ERROR = 2
# For steps on the CPU, however many run: the number of threads changes the order of
# sums, and a step's result must not depend on the steps that run beside it.
SINGLE_THREAD = {'OMP_NUM_THREADS': '1', 'MKL_NUM_THREADS': '1'}


def device_environments(num_steps: int) -> list[dict[str, str]]:
    """Return the environment of each worker: one per GPU, or else per CPU core."""
    num_gpus = torch.cuda.device_count()
    if num_gpus:
        default = ','.join(map(str, range(num_gpus)))
        visible = os.environ.get('CUDA_VISIBLE_DEVICES', default).split(',')
        # The variable may name more GPUs than there are.
        workers = visible[: min(num_gpus, num_steps)]
        return [{'CUDA_VISIBLE_DEVICES': gpu} for gpu in workers]
    cores = len(os.sched_getaffinity(0))
    return [dict(SINGLE_THREAD) for _ in range(min(cores, num_steps))]


def die_with_parent() -> list[str]:
    """Return the prefix of a command that is not to outlive this process.

    A step that outlived a killed study would write to the same folder as the next one.
    """
    script = Path(cfcontra_mm.__file__).with_name('die_with_parent.py')
    return [sys.executable, '-I', str(script), str(os.getpid())]


class Job:
    """A step that is queued or running: its processes one after the other.

    A step whose process crashes is restarted once, from the newest checkpoint.

    Args:
        step: The step, queued until :meth:`start`.
    """

    def __init__(self, step: Step) -> None:
        self.step = step
        self.state = 'queued'
        self.resumed_from = step.iteration()
        # Log entries before this time are of an earlier attempt.
        self.started = math.inf
        self.seconds = 0.0
        self.seconds_per_iter: float | None = None
        self.process: subprocess.Popen[bytes] | None = None
        self.last_status: Status | None = None
        self.outcome = self.error = self.crash = ''

    def start(
        self, tools: Path, environment: dict[str, str], keep_open: Sequence[int] = ()
    ) -> None:
        """Start the first process.

        Args:
            tools: Folder of ``train.py`` and the other tools.
            environment: Variables that select the device of the processes.
            keep_open: File descriptors that the processes inherit.
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
            self._run()

    def _run(self) -> None:
        self.remaining = deque(self.step.commands(self.tools).items())
        self._continue()

    def _continue(self) -> None:
        if self.remaining:
            self._start_next()
        else:
            self._finish()

    def _start_next(self) -> None:
        try:
            # The code may have been edited since the last process started.
            self.step.check_sources()
        except InputError as error:
            self.fail(str(error))
            return
        self.state, command = self.remaining.popleft()
        with self.step.log.open('ab') as log:
            self.process = subprocess.Popen(
                [*die_with_parent(), *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.environment},
                # A process group of its own: Ctrl-C reaches it through `terminate`.
                start_new_session=True,
                pass_fds=self.keep_open,
            )

    def poll(self) -> bool:
        """Continue if a process has ended; tell whether the step is still running."""
        if self.process and self.state in RUNNING:
            status = self.process.poll()
            if status:
                self._recover(status)
            elif status == 0:
                self._continue()
        return self.state in RUNNING

    def _recover(self, status: int) -> None:
        error = f'{self.state} ended with exit status {status}{_reason(self.step.log)}'
        if self.crash or status == USAGE_ERROR:
            self.fail(error)
        else:
            self.crash = error
            self._run()

    def _finish(self) -> None:
        self.seconds = time.time() - self.started
        try:
            self.outcome = self.step.finish(self.seconds, self.resumed_from)
            self.state = 'done'
        except InputError as error:
            self.fail(str(error))

    def fail(self, error: str) -> None:
        """Mark the step as failed, with this error message."""
        self.state, self.error = 'failed', error

    def status(self) -> Status:
        """Return the status of the step, from its log; final once it has ended."""
        last = self.last_status
        if not last or last.state != self.state or self.state in RUNNING:
            self.last_status = last = self._read_status()
        return last

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
        """End the processes of a step that is still running."""
        self.terminate()
        self.wait()

    def terminate(self) -> None:
        """Send SIGTERM to the process of a step that is still running.

        Not to its data workers: it needs them until it has saved a checkpoint.
        """
        if self.process and self.process.poll() is None:
            self.process.terminate()

    def wait(self) -> None:
        """Wait until the process ends; send SIGKILL after ``GRACE_SECONDS``."""
        if not self.process:
            return
        try:
            self.process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class Pool:
    """Run steps, one at a time on each device.

    A step starts once its needs are done. Of those that can start, the steps that
    others need go first, then the longest.

    Args:
        steps: Unfinished steps, including all unfinished ones that they need.
        tools: Folder of ``train.py`` and the other tools.
        environments: Environment of each worker, see :func:`device_environments`.
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
        """Build the job of a step."""
        return Job(step)

    def step(self) -> Iterator[Job]:
        """Start what can start; yield the jobs that ended since the last call."""
        for job in list(self.active):
            if not job.poll():
                self.active.remove(job)
                self.release(job)
                yield job
        yield from self._fail_dependants()
        self.start_ready()

    def start_ready(self) -> None:
        """Start the steps whose needs are done, as long as a worker is idle."""
        while self.idle and (job := next(filter(self.is_ready, self.queue), None)):
            self.queue.remove(job)
            # Before it starts, so that an interrupt ends it too.
            self.active.append(job)
            job.start(self.tools, self.idle.pop(), self.keep_open)

    def release(self, job: Job) -> None:
        """Return the worker of a job that has ended."""
        self.idle.append(job.environment)

    def _fail_dependants(self) -> Iterator[Job]:
        for job in list(self.queue):
            failed = [need for need in self._needs(job) if need.state == 'failed']
            if failed:
                self.queue.remove(job)
                job.fail(f'needs {failed[0].step.label!r}, which failed')
                yield job

    def is_ready(self, job: Job) -> bool:
        """Tell whether all needs of a job are done."""
        return all(need.state == 'done' for need in self._needs(job))

    def _needs(self, job: Job) -> list[Job]:
        # Steps that were already finished are not in the pool.
        return [self.jobs[need] for need in job.step.needs if need in self.jobs]

    def busy(self) -> bool:
        return bool(self.active or self.queue)

    def statuses(self) -> list[Status]:
        """Return the status of every step of the pool."""
        return [job.status() for job in self.jobs.values()]

    def stop(self) -> None:
        """End every process."""
        for job in self.active:
            job.terminate()
        for job in self.active:
            job.wait()


def _reason(log: Path) -> str:
    """Return the error on the last line of a log after a colon; '' if there is none."""
    lines = log.read_text(errors='replace').rstrip().splitlines()
    found = lines and ERROR.match(lines[-1])
    return f': {found[0]}' if found else ''


def finished_status(run: Run, record: Record) -> Status:
    """Return the status of a run that an earlier call has finished."""
    trained = run.max_iters - record.resumed_from
    pace = record.wall_seconds / trained if trained else None
    return Status(run.label, 'done', run.max_iters, run.max_iters, pace)


def _iterations_left(step: Step) -> int:
    return step.max_iters - step.iteration()
