"""Tests of rows against the reference over images, each computed once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from cfcontra_mm.files import write_whole

from .statistics import (
    CONFIDENCE,
    RANDOM_STATE,
    RESAMPLES,
    Interval,
    bootstrap_interval,
    permutation_p_value,
    read_pixel_counts,
)

CACHE = '.comparisons.json'


class ImageTest(NamedTuple):
    """Whether two rows differ, over images.

    Args:
        interval: Bootstrap interval of the difference, in percentage points.
        p_value: Of the paired permutation test.
    """

    interval: Interval
    p_value: float


class Comparisons:
    """Compare rows by the pixel counts of every image; remember what was compared.

    A comparison is known by the content of all its files, so that a table of many rows
    is made again in no time, and a run that was trained again is compared again.

    Args:
        cache: File to remember in; it may be missing or damaged.
    """

    def __init__(self, cache: Path | None = None) -> None:
        self.cache = cache
        self.known = _read(cache) if cache else {}
        self.used: dict[str, ImageTest] = {}
        # The reference is compared with every row.
        self.read = lru_cache(maxsize=2)(read_pixel_counts)
        self.digest = lru_cache(maxsize=None)(_digest)

    def compare(
        self,
        row: Sequence[Path],
        reference: Sequence[Path],
        classes: Sequence[str],
        block_length: int,
    ) -> ImageTest:
        """Test whether a row differs from the reference.

        Args:
            row: Files of pixel counts, one per seed.
            reference: Those of the reference.
            classes: Classes of the mIoU.
            block_length: See :func:`read_pixel_counts`.

        Raises:
            InputError: The images or the classes differ, or a file cannot be read.
        """
        files = [list(map(self.digest, paths)) for paths in (row, reference)]
        settings = [CONFIDENCE, RESAMPLES, RANDOM_STATE, block_length, *classes]
        key = _sha256(json.dumps([*files, settings]).encode())
        if key not in self.used:
            self.used[key] = self.known.get(key) or self._compute(
                tuple(row), tuple(reference), tuple(classes), block_length
            )
        return self.used[key]

    def _compute(
        self,
        row: tuple[Path, ...],
        reference: tuple[Path, ...],
        classes: tuple[str, ...],
        block_length: int,
    ) -> ImageTest:
        ours, theirs = (self.read(p, classes, block_length) for p in (row, reference))
        return ImageTest(
            bootstrap_interval(ours, theirs), permutation_p_value(ours, theirs)
        )

    def save(self) -> None:
        """Write what was compared, if anything is new."""
        if self.cache and self.used.keys() - self.known.keys():
            write_whole(self.cache, json.dumps(self.used, indent=0) + '\n')


def _read(cache: Path) -> dict[str, ImageTest]:
    try:
        found = json.loads(cache.read_text())
        return {
            key: ImageTest(Interval(float(low), float(high)), float(p_value))
            for key, ((low, high), p_value) in found.items()
        }
    except (OSError, ValueError, TypeError, AttributeError):
        return {}  # it is made again


def _digest(path: Path) -> str:
    return _sha256(path.read_bytes())


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
