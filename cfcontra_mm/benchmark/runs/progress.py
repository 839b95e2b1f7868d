"""Progress of the steps, read from their log files, and the estimated time left."""

from __future__ import annotations

import heapq
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from rich.box import SIMPLE
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from cfcontra_mm.engine.training_log import log_files, read_entries

PLAIN_INTERVAL = 20.0
WAITING_LINES = 5
AT_WORK = ('training', 'testing', 'translating', 'collecting')
# A submitted step counts as running, but waits in the scheduler's queue.
RUNNING = ('submitted', *AT_WORK)
WAITING = ('queued', 'submitted')


@dataclass(frozen=True)
class Status:
    """The state of one step.

    Args:
        label: Name of the step.
        state: ``'queued'``, one of ``RUNNING``, ``'done'`` or ``'failed'``.
        iteration: Finished iterations.
        max_iters: Total iterations, 0 for a step that does not count them.
        seconds_per_iter: Measured time per iteration, None before the first log entry.
        latest_miou: mIoU in percent of the last validation, None before the first.
    """

    label: str
    state: str
    iteration: int
    max_iters: int
    seconds_per_iter: float | None
    latest_miou: float | None = None


def read_training(
    work_dir: Path, since: float
) -> tuple[int, float | None, float | None]:
    """Read the progress of a training from its newest log.

    Args:
        work_dir: Folder of the training, with MMEngine's ``*/vis_data/scalars.json``.
        since: Ignore a log written before this time, in seconds since the epoch.

    Returns:
        Last logged iteration, mean seconds per iteration, latest mIoU; (0, None, None)
        before the first entry.
    """
    logs = log_files(work_dir)
    if not logs or logs[-1].stat().st_mtime < since:
        return 0, None, None
    entries = read_entries(logs[-1])
    steps = [e for e in entries if 'iter' in e]
    times = [e['time'] for e in steps if 'time' in e]
    mious = [e['mIoU'] for e in entries if 'mIoU' in e]
    return (
        steps[-1]['iter'] if steps else 0,
        sum(times) / len(times) if times else None,
        mious[-1] if mious else None,
    )


def seconds_left(statuses: Sequence[Status], num_workers: int) -> float | None:
    """Estimate the seconds until all steps end, None while no speed is known.

    Each waiting step is assigned to the worker that is free first, as if its needs were
    finished. A step without a measured speed is assumed to run at the mean speed of the
    others.
    """
    paces = [s.seconds_per_iter for s in statuses if s.seconds_per_iter]
    if not paces:
        return None
    mean = sum(paces) / len(paces)

    def left(status: Status) -> float:
        pace = status.seconds_per_iter or mean
        return (status.max_iters - status.iteration) * pace

    at_work = [left(s) for s in statuses if s.state in AT_WORK]
    workers = at_work + [0.0] * (num_workers - len(at_work))
    heapq.heapify(workers)
    for status in statuses:
        if status.state in WAITING:
            heapq.heappush(workers, heapq.heappop(workers) + left(status))
    return max(workers)


def progress_line(statuses: Sequence[Status], num_workers: int) -> str:
    """Return one line: iterations of all steps, the ETA and every running step."""
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
    """Format a duration as m:ss or h:mm:ss, None as dashes."""
    if seconds is None:
        return '--:--'
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f'{hours}:{minute:02}:{second:02}' if hours else f'{minute}:{second:02}'


def progress_view(statuses: Sequence[Status], num_workers: int) -> Table:
    """Build a table of the running and the next waiting steps, titled by the totals.

    Further waiting steps are only counted. Steps that are done or failed are left out,
    as a message has reported them.
    """
    line = progress_line(statuses, num_workers).rsplit(' | ', 1)[0]
    view = Table(title=line, title_justify='left', title_style='', box=SIMPLE)
    for heading in ('run', 'state', 'iteration', 'ETA', 'latest mIoU'):
        view.add_column(heading, justify='left' if heading == 'run' else 'right')
    at_work = [s for s in statuses if s.state in AT_WORK]
    waiting = [s for s in statuses if s.state in WAITING]
    for status in [*at_work, *waiting[:WAITING_LINES]]:
        view.add_row(*_view_cells(status))
    if len(waiting) > WAITING_LINES:
        view.add_row(f'{len(waiting) - WAITING_LINES} more', 'waiting')
    return view


def _view_cells(status: Status) -> list[str | Text]:
    counted = f'{status.iteration}/{status.max_iters}' if status.max_iters else '-'
    left = status.max_iters - status.iteration
    pace = status.seconds_per_iter if status.state in RUNNING else None
    eta = format_seconds(pace and pace * left)
    miou = '-' if status.latest_miou is None else f'{status.latest_miou:.1f}'
    # A plain string in brackets would be read as a style.
    return [Text(status.label), status.state, counted, eta, miou]


class ProgressPrinter:
    """Context manager that shows the progress of the steps, and messages.

    On a terminal, the progress is redrawn in place; elsewhere, a line is printed every
    ``PLAIN_INTERVAL`` seconds.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self.console = Console(file=stream)
        # No refresh thread: it would draw into the output of tests.
        self.live = Live(console=self.console, auto_refresh=False, transient=True)
        self.last_plain = float('-inf')

    def __enter__(self) -> ProgressPrinter:
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.live.stop()

    def show(self, statuses: Sequence[Status], num_workers: int) -> None:
        """Show the progress of the steps in place of what was shown before."""
        if self.console.is_terminal:
            self.live.update(progress_view(statuses, num_workers), refresh=True)
        else:
            self.update(progress_line(statuses, num_workers))

    def update(self, line: str) -> None:
        """Show a line in place of what was shown before."""
        if self.console.is_terminal:
            text = Text(line, no_wrap=True, overflow='crop')
            self.live.update(text, refresh=True)
        elif time.monotonic() - self.last_plain >= PLAIN_INTERVAL:
            self.last_plain = time.monotonic()
            self.message(line)

    def message(self, text: str) -> None:
        """Print a line that is not redrawn."""
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)
        self.console.file.flush()
