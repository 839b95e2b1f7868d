"""Tests of rows against the reference over images, each computed once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from cfcontra_mm.files import write_whole

from .neighbours import uncorrelated_length
from .statistics import (
    CONFIDENCE,
    RANDOM_STATE,
    RESAMPLES,
    Interval,
    jackknife_interval,
    permutation_p_value,
    read_pixel_counts,
)

CACHE = '.comparisons.json'
# To be raised with every change of what is computed, as older figures are remembered.
ALGORITHM = 2
Files = Sequence[Path]


class ImageTest(NamedTuple):
    """Whether two rows differ, over images or over blocks of neighbouring ones.

    Args:
        interval: Of the difference, in percentage points.
        p_value: Of the paired permutation test.
        block_length: Approximate number of images in a block; 1 for single images.
        blocks: Number of blocks.
    """

    interval: Interval
    p_value: float
    block_length: int
    blocks: int


class Comparisons:
    """Compare rows by the pixel counts of every image; remember what was compared.

    A comparison is known by the content of all its files, so that a table of many rows
    is made again in no time, and a run that was trained again is compared again.

    Args:
        cache: File to remember in; it may be missing or damaged.
    """

    def __init__(self, cache: Path | None = None) -> None:
        self.cache = cache
        known = _read(cache) if cache else ({}, {})
        self.known_tests, self.known_lengths = known
        self.tests: dict[str, ImageTest] = {}
        self.lengths: dict[str, int] = {}
        # The reference is compared with every row.
        self.read = lru_cache(maxsize=2)(read_pixel_counts)
        self.digest = lru_cache(maxsize=None)(_digest)

    def compare(
        self,
        row: Files,
        reference: Files,
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
        settings = [
            ALGORITHM,
            'jackknife',
            CONFIDENCE,
            RESAMPLES,
            RANDOM_STATE,
            block_length,
        ]
        key = self._key(row, reference, classes, settings)
        if key not in self.tests:
            self.tests[key] = self.known_tests.get(key) or self._test(
                row, reference, tuple(classes), block_length
            )
        return self.tests[key]

    def block_length(self, row: Files, reference: Files, classes: Sequence[str]) -> int:
        """Return the length of blocks that are independent, for this row.

        See :func:`uncorrelated_length`, and :meth:`compare` for the arguments.
        """
        settings = [ALGORITHM, 'length']
        key = self._key(row, reference, classes, settings)
        if key not in self.lengths:
            self.lengths[key] = self.known_lengths.get(key) or uncorrelated_length(
                *(self.read(tuple(p), tuple(classes), 1) for p in (row, reference))
            )
        return self.lengths[key]

    def _key(
        self,
        row: Files,
        reference: Files,
        classes: Sequence[str],
        settings: Sequence[Any],
    ) -> str:
        files = [list(map(self.digest, paths)) for paths in (row, reference)]
        return _sha256(json.dumps([*files, [*settings, *classes]]).encode())

    def _test(
        self,
        row: Files,
        reference: Files,
        classes: tuple[str, ...],
        block_length: int,
    ) -> ImageTest:
        ours, theirs = (
            self.read(tuple(p), classes, block_length) for p in (row, reference)
        )
        return ImageTest(
            jackknife_interval(ours, theirs),
            permutation_p_value(ours, theirs),
            block_length,
            len(ours.names),
        )

    def save(self) -> None:
        """Write what was compared, if anything is new."""
        new = self.tests.keys() - self.known_tests.keys()
        new |= self.lengths.keys() - self.known_lengths.keys()
        if self.cache and new:
            found = {'tests': self.tests, 'lengths': self.lengths}
            write_whole(self.cache, json.dumps(found, indent=0) + '\n')


def _read(cache: Path) -> tuple[dict[str, ImageTest], dict[str, int]]:
    try:
        found = json.loads(cache.read_text())
        tests = {
            key: ImageTest(Interval(float(low), float(high)), float(p), int(n), int(b))
            for key, ((low, high), p, n, b) in found['tests'].items()
        }
        return tests, {key: int(n) for key, n in found['lengths'].items()}
    except (OSError, ValueError, TypeError, AttributeError, KeyError):
        return {}, {}  # it is made again


def _digest(path: Path) -> str:
    return _sha256(path.read_bytes())


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
