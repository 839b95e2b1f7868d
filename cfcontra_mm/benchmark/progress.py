"""How far the steps are, read from their log files, and when they will be done."""

from __future__ import annotations

import heapq
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from .curves import log_files, read_entries

PLAIN_INTERVAL = 20.0
RUNNING = ('training', 'testing', 'translating')


@dataclass(frozen=True)
class Status:
    """Where one step stands.

    Args:
        label: Name of the step.
        state: 'queued', one of ``RUNNING``, 'done' or 'failed'.
        iteration: Iterations behind it.
        max_iters: Iterations in all, 0 for a step that does not count them.
        cost: Time of one iteration relative to other steps.
        seconds_per_iter: As measured, None before the first log entry.
    """

    label: str
    state: str
    iteration: int
    max_iters: int
    cost: float
    seconds_per_iter: float | None


def read_training(work_dir: Path, since: float) -> tuple[int, float | None]:
    """Last logged iteration and mean seconds per iteration of a training.

    Reads the newest ``*/vis_data/scalars.json`` that MMEngine wrote after ``since``
    (seconds of the epoch); (0, None) before its first entry.
    """
    logs = log_files(work_dir)
    if not logs or logs[-1].stat().st_mtime < since:
        return 0, None
    entries = [e for e in read_entries(logs[-1]) if 'iter' in e]
    times = [e['time'] for e in entries if 'time' in e]
    iteration = entries[-1]['iter'] if entries else 0
    return iteration, sum(times) / len(times) if times else None


def seconds_left(statuses: Sequence[Status], num_workers: int) -> float | None:
    """Time until the last iteration of all steps, None while no speed is known.

    Steps under way end on their own; each queued step goes to the worker that is free
    first, as if what it needs were finished. A step that has no speed yet is taken to
    go at the mean of the measured ones, scaled by its cost.
    """
    speeds = [s.seconds_per_iter / s.cost for s in statuses if s.seconds_per_iter]
    if not speeds:
        return None
    unit = sum(speeds) / len(speeds)

    def left(status: Status) -> float:
        pace = status.seconds_per_iter or unit * status.cost
        return (status.max_iters - status.iteration) * pace

    running = [left(s) for s in statuses if s.state in RUNNING]
    workers = running + [0.0] * (num_workers - len(running))
    heapq.heapify(workers)
    for status in statuses:
        if status.state == 'queued':
            heapq.heappush(workers, heapq.heappop(workers) + left(status))
    return max(workers)


def progress_line(statuses: Sequence[Status], num_workers: int) -> str:
    """One line: iterations of all steps, the ETA, then every step under way."""
    done = sum(s.iteration for s in statuses)
    total = sum(s.max_iters for s in statuses)
    running = ', '.join(_describe(s) for s in statuses if s.state in RUNNING)
    eta = format_seconds(seconds_left(statuses, num_workers))
    return f'{done}/{total} it ({100 * done // total} %) | ETA {eta} | {running}'


def _describe(status: Status) -> str:
    words = [status.label]
    if status.max_iters:
        words.append(f'{status.iteration}/{status.max_iters}')
    if status.state != 'training':
        words.append(status.state)
    return ' '.join(words)


def format_seconds(seconds: float | None) -> str:
    """Format as m:ss or h:mm:ss; dashes for None."""
    if seconds is None:
        return '--:--'
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f'{hours}:{minute:02}:{second:02}' if hours else f'{minute}:{second:02}'


class ProgressPrinter:
    """Show one changing line, and messages that stay.

    On a terminal the line is rewritten in place; elsewhere it is printed anew every
    ``PLAIN_INTERVAL`` seconds.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stdout
        self.on_terminal = self.stream.isatty()
        self.last_plain = float('-inf')

    def update(self, line: str) -> None:
        """Show the line in place of the one before."""
        if self.on_terminal:
            self._write('\r\033[K' + line[: shutil.get_terminal_size().columns - 1])
        elif time.monotonic() - self.last_plain >= PLAIN_INTERVAL:
            self.last_plain = time.monotonic()
            self._write(line + '\n')

    def message(self, text: str) -> None:
        """Print a line that stays."""
        self._write(('\r\033[K' if self.on_terminal else '') + text + '\n')

    def _write(self, text: str) -> None:
        self.stream.write(text)
        self.stream.flush()
