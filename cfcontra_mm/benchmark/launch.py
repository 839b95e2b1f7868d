"""Runs as processes, as many at once as there are devices."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from cfcontra_mm.errors import InputError

from .progress import Status, read_training
from .results import Record, make_record, write_record
from .study import Run

GRACE_SECONDS = 10.0


def device_environments(num_runs: int) -> list[dict[str, str]]:
    """Environment variables of every worker: one a GPU, else one a CPU core."""
    num_gpus = torch.cuda.device_count()
    if num_gpus:
        default = ','.join(map(str, range(num_gpus)))
        visible = os.environ.get('CUDA_VISIBLE_DEVICES', default).split(',')
        return [{'CUDA_VISIBLE_DEVICES': gpu} for gpu in visible[:num_runs]]
    cores = len(os.sched_getaffinity(0))
    # One thread however many workers: sums in another order give other numbers, and
    # a run's result must not depend on which runs were started beside it.
    single = {'OMP_NUM_THREADS': '1', 'MKL_NUM_THREADS': '1'}
    return [dict(single) for _ in range(min(cores, num_runs))]


def commands(run: Run, tools: Path) -> dict[str, list[str]]:
    """What a run still has to do: command lines by state, in their order."""
    checkpoint = run.last_checkpoint()
    work_dir = str(run.work_dir)
    train = [sys.executable, str(tools / 'train.py'), run.config]
    train += ['--work-dir', work_dir, '--seed', str(run.seed)]
    if checkpoint:
        train += ['--resume', str(checkpoint)]
    test = [sys.executable, str(tools / 'test.py'), run.config]
    test += [str(run.final_checkpoint), '--work-dir', f'{work_dir}/test']
    test += ['--out', str(run.predictions)]
    if checkpoint == run.final_checkpoint:
        return {'testing': test}
    return {'training': train, 'testing': test}


class Job:
    """A run under way: its processes one after the other, then its record.

    Args:
        run: The run.
        tools: Folder of ``train.py`` and ``test.py``.
        environment: Variables that bind it to its device.
        keep_open: File descriptors that the processes inherit.
    """

    def __init__(
        self,
        run: Run,
        tools: Path,
        environment: dict[str, str],
        keep_open: Sequence[int] = (),
    ) -> None:
        self.run = run
        self.environment = environment
        self.keep_open = keep_open
        self.started = time.time()
        self.resumed_from = _iteration(run.last_checkpoint())
        self.seconds_per_iter: float | None = None
        self.record: Record | None = None
        self.error = ''
        run.work_dir.mkdir(parents=True, exist_ok=True)
        self.remaining = deque(commands(run, tools).items())
        self._start_next()

    def _start_next(self) -> None:
        self.state, command = self.remaining.popleft()
        with self.run.log.open('ab') as log:
            self.process = subprocess.Popen(
                command,
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
        """Move on if a process ended; False once the run is done or failed."""
        status = self.process.poll()
        if status is None:
            return True
        if status != 0:
            self._fail(f'{self.state} ended with exit status {status}')
        elif self.remaining:
            self._start_next()
            return True
        else:
            self._finish()
        return False

    def _finish(self) -> None:
        try:
            seconds = time.time() - self.started
            self.record = make_record(self.run, seconds, self.resumed_from)
            write_record(self.record, self.run.work_dir)
            self.state = 'done'
        except InputError as error:
            self._fail(str(error))

    def _fail(self, error: str) -> None:
        self.state, self.error = 'failed', error

    def status(self) -> Status:
        """Where the run stands, from its log."""
        iteration, pace = read_training(self.run.work_dir, self.started)
        self.seconds_per_iter = pace or self.seconds_per_iter
        if self.state in ('testing', 'done'):
            iteration = self.run.max_iters
        return Status(
            self.run.label,
            self.state,
            max(iteration, self.resumed_from),
            self.run.max_iters,
            self.run.cost,
            self.seconds_per_iter,
        )

    def terminate(self) -> None:
        """Ask the processes of a run that is still under way to end."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)

    def wait(self) -> None:
        """Wait for their end, and enforce it after a while."""
        try:
            self.process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class Pool:
    """Work through runs, the longest first, one on each device at a time.

    Args:
        runs: Unfinished runs.
        tools: Folder of ``train.py`` and ``test.py``.
        environments: One worker each, see :func:`device_environments`.
        keep_open: File descriptors that the processes inherit.
    """

    def __init__(
        self,
        runs: Sequence[Run],
        tools: Path,
        environments: Sequence[dict[str, str]],
        keep_open: Sequence[int] = (),
    ) -> None:
        self.tools = tools
        self.queue = deque(sorted(runs, key=_expected_time, reverse=True))
        self.idle = list(environments)
        self.num_workers = len(self.idle)
        self.keep_open = keep_open
        self.active: list[Job] = []
        self.ended: list[Job] = []

    def step(self) -> Iterator[Job]:
        """Start what can start; yield the jobs that ended since the last step."""
        for job in list(self.active):
            if not job.poll():
                self.active.remove(job)
                self.ended.append(job)
                self.idle.append(job.environment)
                yield job
        while self.idle and self.queue:
            self.active.append(
                Job(self.queue.popleft(), self.tools, self.idle.pop(), self.keep_open)
            )

    def busy(self) -> bool:
        return bool(self.active or self.queue)

    def statuses(self) -> list[Status]:
        """Where every run of the pool stands."""
        started = [job.status() for job in self.ended + self.active]
        return started + [_queued_status(run) for run in self.queue]

    def stop(self) -> None:
        """End every process."""
        for job in self.active:
            job.terminate()
        for job in self.active:
            job.wait()


def finished_status(run: Run, record: Record) -> Status:
    """Where a run stands that an earlier call finished."""
    trained = run.max_iters - record.resumed_from
    pace = record.wall_seconds / trained if trained else None
    return Status(run.label, 'done', run.max_iters, run.max_iters, run.cost, pace)


def _expected_time(run: Run) -> float:
    return run.cost * (run.max_iters - _iteration(run.last_checkpoint()))


def _queued_status(run: Run) -> Status:
    iteration = _iteration(run.last_checkpoint())
    return Status(run.label, 'queued', iteration, run.max_iters, run.cost, None)


def _iteration(checkpoint: Path | None) -> int:
    # MMEngine names checkpoints iter_N.pth.
    return int(checkpoint.stem.removeprefix('iter_')) if checkpoint else 0
