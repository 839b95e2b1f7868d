"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A file to write, which takes its name once the block has ended well.

    So no one ever sees a part of it. Makes the folder if needed. If the block raises,
    what it wrote is removed, and a file of that name stays as it was.

    Args:
        path: Its name. That of the file to write ends alike, since writers choose the
            format by it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'{path.stem}.tmp{path.suffix}')
    try:
        yield temporary
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
