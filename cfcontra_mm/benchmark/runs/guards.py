"""Locks and signal handlers that guard a study while its processes run."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import TextIO

from cfcontra_mm.errors import InputError, Stopped
from cfcontra_mm.files import locked

from .step import Step

# Exit status after Ctrl-C; after another signal it is 128 + its number.
INTERRUPTED = 128 + signal.SIGINT


@contextmanager
def own_folders(steps: Sequence[Step]) -> Iterator[list[TextIO]]:
    """Lock the folders of steps, so that only one study at a time writes to them.

    Yields:
        The locked files.

    Raises:
        InputError: Another study holds a lock, or a folder has a different config
            hash.
    """
    busy = '{}: another study is using this folder; wait until it has finished'
    with ExitStack() as stack:
        locks = [
            stack.enter_context(locked(step.lock, busy.format(step.work_dir)))
            for step in steps
        ]
        foreign = [str(step.work_dir) for step in steps if not step.may_fill()]
        if foreign:
            raise InputError(
                f'{", ".join(foreign)}: made with other settings or code than this '
                'study has now, or by hand; delete or move it'
            )
        yield locks


def refuse_jobs(steps: Sequence[Step]) -> None:
    """Refuse steps that a job of a scheduler may still be running.

    Raises:
        InputError: There is such a job.
    """
    for step in steps:
        if step.job_note.exists():
            job_id = step.job_note.read_text().split(' ')[0]
            raise InputError(
                f'{step.work_dir}: Slurm job {job_id} may be using this folder; '
                'continue with --launcher slurm, or cancel the job and delete '
                f'{step.job_note}'
            )


@contextmanager
def terminable() -> Iterator[None]:
    """Treat SIGTERM and SIGHUP like Ctrl-C, so that they end the runs.

    They raise :class:`~cfcontra_mm.errors.Stopped`, which Ctrl-C does not.
    A signal that is ignored stays ignored: that is how ``nohup`` starts a study.
    """
    handlers = {s: signal.getsignal(s) for s in (signal.SIGTERM, signal.SIGHUP)}
    replaced = {s: old for s, old in handlers.items() if old != signal.SIG_IGN}
    for number in replaced:
        signal.signal(number, _stop)
    try:
        yield
    finally:
        for number, handler in replaced.items():
            signal.signal(number, handler)


def _stop(number: int, frame: FrameType | None) -> None:
    raise Stopped(number)


def exit_status(stop: KeyboardInterrupt) -> int:
    """Return the exit status of a command that Ctrl-C or another signal has ended."""
    return 128 + stop.number if isinstance(stop, Stopped) else INTERRUPTED
