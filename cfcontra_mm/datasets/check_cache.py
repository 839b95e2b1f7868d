"""Remember which data passed the check, so that every run of a study begins fast."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from cfcontra_mm.errors import InputError
from cfcontra_mm.files import locked, write_whole
from cfcontra_mm.version import __version__

CODE = (
    *sorted(Path(__file__).parent.glob('*.py')),
    Path(__file__).parents[1] / 'images.py',
)
"""Files that decide what passes the check."""


def fingerprint(settings: object, files: Mapping[str, os.stat_result]) -> str:
    """Return a digest of the settings of the data and of the state of all files.

    A file changed in place may keep its size and the time of its change, but not that
    of its status (ctime), which no program sets.

    Args:
        settings: What the check depends on, with a reproducible ``repr``.
        files: Status of each file, by its path.
    """
    digest = hashlib.sha256(f'{__version__}\n{_code()}\n{settings!r}'.encode())
    for path, status in files.items():
        times = status.st_mtime_ns, status.st_ctime_ns
        line = f'{path}\0{status.st_size}\0{status.st_ino}\0{times}\n'
        digest.update(line.encode(errors='surrogateescape'))
    return digest.hexdigest()


@cache
def _code() -> str:
    """Return a digest of the check's own code."""
    digest = hashlib.sha256()
    for path in CODE:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def read_report(key: str) -> str | None:
    """Return the report of data that passed, ``None`` if it is not known."""
    try:
        return _file(key).read_text(encoding='utf-8')
    except (OSError, ValueError):
        return None


def keep_report(key: str, report: str) -> None:
    """Keep the report of data that passed, if the cache can be written."""
    try:
        # The runs of a study may begin at the same moment.
        with locked(_file('lock'), 'another run writes it'):
            write_whole(_file(key), report)
    except (OSError, ValueError):  # also if another run holds the lock
        return


def _file(name: str) -> Path:
    base = os.environ.get('XDG_CACHE_HOME') or Path('~/.cache').expanduser()
    return Path(base, 'cfcontra_mm', 'data', f'{name}.txt')


def stat_files(paths: Iterable[str]) -> dict[str, os.stat_result]:
    """Return the size, the time of change and the identity of each file.

    Raises:
        InputError: A file is missing or cannot be read.
    """
    try:
        return {path: os.stat(path) for path in paths}
    except OSError as error:
        raise InputError(
            f'{error.filename}: cannot be read ({error.strerror}); restore the file'
        ) from error
