"""Files and folders: written atomically, and locked."""

from __future__ import annotations

import csv
import fcntl
import io
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from cfcontra_mm.errors import InputError


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Write a file or a folder under a temporary name, renamed when the block ends.

    Nobody ever sees a partial file. The parent folder is created if needed. If the
    block raises, what it wrote is removed, and an earlier file of that name stays.

    Args:
        path: The file or folder.

    Yields:
        The temporary name to write to, see :func:`temporary_name`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_name(path)
    if temporary.is_symlink():  # or whoever planted it would choose what is overwritten
        temporary.unlink()
    try:
        yield temporary
        os.replace(temporary, path)
    except BaseException as error:
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # a write does not know it
        if temporary.is_dir():
            shutil.rmtree(temporary)
        temporary.unlink(missing_ok=True)
        raise


def temporary_name(path: Path) -> Path:
    """Return the name of a file while it is being written.

    It keeps the suffix, by which writers choose the format, and is hidden, so that no
    data set takes what a killed process left behind for an image.
    """
    return path.with_name(f'.{path.stem}.tmp{path.suffix}')


def write_whole(path: Path, text: str) -> None:
    """Write a text file atomically, in UTF-8."""
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding='utf-8')


def csv_text(rows: Iterable[Sequence[str]]) -> str:
    """Return rows of cells as CSV; no spreadsheet takes a text for a formula.

    A text that begins as a formula does gets an apostrophe in front, by which
    spreadsheets know a text; numbers stay as they are.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator='\n')
    writer.writerows([_as_text(cell) for cell in row] for row in rows)
    return stream.getvalue()


def _as_text(cell: str) -> str:
    try:
        float(cell)
    except ValueError:
        return f"'{cell}" if cell.startswith(tuple('=+-@\t\r')) else cell
    return cell


def is_within(path: str | Path, folder: str | Path) -> bool:
    """Tell whether a path leads to a folder or below it, through links too."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def file_name(text: str) -> str:
    """Replace by dashes what a file name should not contain."""
    return re.sub(r'[^\w.-]+', '-', text)


@contextmanager
def locked(path: Path, refusal: str) -> Iterator[TextIO]:
    """Lock a file, so that only one process at a time holds it.

    Child processes may inherit the lock, which then also guards against those that
    outlived a killed parent.

    Args:
        path: The file.
        refusal: Error message if another process holds the lock.

    Yields:
        The locked file.

    Raises:
        InputError: Another process holds the lock.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:  # neither follow a link nor empty what is there
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    except OSError as error:
        raise InputError(
            f'{path}: cannot be locked ({os.strerror(error.errno or 0)}); remove it or '
            'choose another folder'
        ) from error
    with open(descriptor, 'r+') as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(refusal) from None
        except OSError:
            pass  # some network file systems have no locks
        yield lock
