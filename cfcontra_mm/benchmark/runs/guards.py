"""What guards a study while its processes run: locks and signals."""

from __future__ import annotations

import fcntl
import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TextIO

from cfcontra_mm.errors import InputError

from .step import Step


@contextmanager
def locked(path: Path, refusal: str) -> Iterator[TextIO]:
    """Hold a file for one study at a time.

    The processes inherit the lock, so it also guards against those that outlived a
    study which was killed.

    Args:
        path: The file.
        refusal: What to say if another study holds it.

    Raises:
        InputError: Another study holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open('w') as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(refusal) from None
        yield lock


@contextmanager
def own_folders(steps: Sequence[Step]) -> Iterator[list[TextIO]]:
    """Hold the folders of steps for one study at a time; yields the locks.

    Raises:
        InputError: Another study holds one, or it comes from other settings.
    """
    busy = '{}: another study is at work in it; wait for it'
    with ExitStack() as stack:
        locks = [
            stack.enter_context(locked(step.lock, busy.format(step.work_dir)))
            for step in steps
        ]
        foreign = [str(step.work_dir) for step in steps if not step.may_fill()]
        if foreign:
            raise InputError(
                f'{", ".join(foreign)}: made with other settings or code than this '
                'study has now, or by hand; delete or move away'
            )
        yield locks


def refuse_jobs(steps: Sequence[Step]) -> None:
    """Leave a step alone that a job of a scheduler may be at work on.

    Raises:
        InputError: There is such a job.
    """
    for step in steps:
        if step.job_note.exists():
            job_id = step.job_note.read_text().split(' ')[0]
            raise InputError(
                f'{step.work_dir}: Slurm job {job_id} may be at work in it; go on with '
                f'--launcher slurm, or end the job and delete {step.job_note}'
            )


@contextmanager
def terminable() -> Iterator[None]:
    """Let a termination, or the closing of the terminal, end the runs like Ctrl-C.

    One that is ignored stays so: that is how ``nohup`` starts a study.
    """
    handlers = {s: signal.getsignal(s) for s in (signal.SIGTERM, signal.SIGHUP)}
    heeded = {s: old for s, old in handlers.items() if old != signal.SIG_IGN}
    for number in heeded:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in heeded.items():
            signal.signal(number, handler)
