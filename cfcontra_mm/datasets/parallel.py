"""Read many files at once, with a progress bar on a terminal."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from rich.console import Console
from rich.progress import track

THREADS = 8
"""Files that are read at once: most of the time is spent waiting for the disk."""

Item = TypeVar('Item')
Result = TypeVar('Result')


def in_threads(
    read: Callable[[Item], Result], items: Sequence[Item], what: str
) -> list[Result]:
    """Apply a function to all items in several threads.

    Args:
        read: The function.
        items: Its arguments.
        what: What the items are, for the progress bar, which only a terminal shows.

    Returns:
        The results, in order. The first exception is raised.
    """
    bar = functools.partial(
        track,
        description=what,
        total=len(items),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
    with ThreadPoolExecutor(THREADS) as pool:
        try:
            return list(bar(pool.map(read, items)))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
