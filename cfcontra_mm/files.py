"""Files and folders that are there whole or not at all."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a file, or a folder, to write, which takes its name once the block ends.

    So no one ever sees a part of it. Makes the folder around it if needed. If the block
    raises, what it wrote is removed, and what had the name stays as it was.

    Args:
        path: Its name.

    Yields:
        The name to write to, see :func:`temporary_name`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_name(path)
    try:
        yield temporary
        os.replace(temporary, path)
    except BaseException:
        if temporary.is_dir():
            shutil.rmtree(temporary)
        temporary.unlink(missing_ok=True)
        raise


def temporary_name(path: Path) -> Path:
    """Return the name of a file until it is whole.

    It ends like the file's own, since writers choose the format by that, and is hidden,
    so that no data set takes what a killed process left for an image.
    """
    return path.with_name(f'.{path.stem}.tmp{path.suffix}')


def write_whole(path: Path, text: str) -> None:
    """Write a text file, in UTF-8, so that no one ever sees a part of it."""
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding='utf-8')


def file_name(text: str) -> str:
    """Return a text with a dash in place of what a file name should not hold."""
    return re.sub(r'[^\w.-]+', '-', text)
