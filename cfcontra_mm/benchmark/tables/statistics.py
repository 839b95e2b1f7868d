"""What a difference between two rows of a table is worth.

Two kinds of chance lie behind a figure: the seed of a training, and the images that it
is measured on. The t-intervals speak of seeds; the bootstrap and the permutation test
speak of images, the trained networks being what they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import stats

from cfcontra_mm.errors import InputError

CONFIDENCE = 0.95
RESAMPLES = 10_000
# Any fixed number: a table made twice is the same table.
RANDOM_STATE = 0


class Interval(NamedTuple):
    """A 95 % confidence interval."""

    low: float
    high: float

    def excludes_zero(self) -> bool:
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class PixelCounts:
    """Pixels of every seed, image and class.

    Args:
        names: Names of the N images, or of the first image of N blocks.
        intersection: Pixels that are of a class and were called so, (S, N, C).
        union: Pixels that are of a class or were called so, (S, N, C).
    """

    names: tuple[str, ...]
    intersection: np.ndarray
    union: np.ndarray


def read_pixel_counts(
    paths: Sequence[Path], classes: Sequence[str], block_length: int = 1
) -> PixelCounts:
    """Counts of the same images with several seeds.

    Args:
        paths: A ``per_image.npz`` of :class:`cfcontra_mm.evaluation.DomainIoUMetric`
            a seed.
        classes: Names of the classes to read, in this order.
        block_length: About so many neighbouring images are counted as one.

    Raises:
        InputError: A class is missing, or the images are not the same.
    """
    per_seed = [_read_one(path, classes) for path in paths]
    for path, counts in zip(paths, per_seed, strict=True):
        if counts.names != per_seed[0].names:
            raise InputError(
                f'{path}: not the images of {paths[0]}; delete both runs, so that they '
                'are tested anew'
            )
    counts = PixelCounts(
        names=per_seed[0].names,
        intersection=np.stack([counts.intersection for counts in per_seed]),
        union=np.stack([counts.union for counts in per_seed]),
    )
    return counts if block_length == 1 else _in_blocks(counts, block_length)


def _in_blocks(counts: PixelCounts, length: int) -> PixelCounts:
    """Counts of blocks of neighbours, as even as can be."""
    size = len(counts.names)
    blocks = np.array_split(np.arange(size), max(round(size / length), 1))
    starts = [block[0] for block in blocks]
    return PixelCounts(
        names=tuple(counts.names[start] for start in starts),
        intersection=np.add.reduceat(counts.intersection, starts, axis=1),
        union=np.add.reduceat(counts.union, starts, axis=1),
    )


def _read_one(path: Path, classes: Sequence[str]) -> PixelCounts:
    with np.load(path) as arrays:
        known = arrays['classes'].tolist()
        if missing := set(classes) - set(known):
            raise InputError(
                f'{path}: without counts of {", ".join(sorted(missing))}; name classes '
                f'from {", ".join(known)}'
            )
        columns = [known.index(name) for name in classes]
        return PixelCounts(
            tuple(arrays['names'].tolist()),
            arrays['intersection'][:, columns],
            arrays['union'][:, columns],
        )


def t_interval(values: Sequence[float]) -> Interval | None:
    """95 % t-interval of a mean over seeds; None for fewer than two.

    Of paired differences, it is the interval of the paired t-test.
    """
    if len(values) < 2:
        return None
    quantile = stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1)
    half = quantile * np.std(values, ddof=1) / np.sqrt(len(values))
    center = np.mean(values)
    return Interval(float(center - half), float(center + half))


def mean_iou(intersection: np.ndarray, union: np.ndarray) -> np.ndarray:
    """Mean over classes in percent of counts (..., C), classes without pixels left out.

    That is how the metric counts: summed over images first, then divided.
    """
    present = union > 0
    iou = np.divide(intersection, union, out=np.zeros(union.shape), where=present)
    return 100 * iou.sum(-1) / present.sum(-1)


def bootstrap_interval(row: PixelCounts, reference: PixelCounts) -> Interval:
    """95 % interval of the difference in mIoU, resampled over images.

    The images of a resample are the same for both rows and for all seeds, since it is
    the images that are drawn by chance: a hard one is hard for every network. The
    mIoU of each seed is taken within it, then the mean over seeds (percentiles of
    10,000 resamples, a fixed generator).

    Args:
        row: Counts of the row.
        reference: Counts of the row to compare with, on the same images.

    Returns:
        Interval of row minus reference, in percentage points.
    """
    count = _number_of_images(row, reference)
    draws = np.random.default_rng(RANDOM_STATE).multinomial(
        count, np.full(count, 1 / count), size=RESAMPLES
    )
    differences = _miou((draws, row)) - _miou((draws, reference))
    tails = np.array([1 - CONFIDENCE, 1 + CONFIDENCE]) / 2
    return Interval(*np.quantile(differences, tails).tolist())


def permutation_p_value(row: PixelCounts, reference: PixelCounts) -> float:
    """Two-sided p of a difference in mIoU, by a paired permutation over images.

    If the rows were alike, their predictions of an image could be swapped, those of all
    seeds at once. The pairs are images and not seeds, as three seeds allow eight swaps
    and no p below 0.25.

    Args:
        row: Counts of the row.
        reference: Counts of the row to compare with, on the same images.
    """

    def difference(kept: np.ndarray, swapped: np.ndarray, axis: int) -> np.ndarray:
        ours = _miou((kept, row), (swapped, reference))
        theirs = _miou((swapped, row), (kept, reference))
        return ours - theirs

    count = _number_of_images(row, reference)
    # What is permuted is whose an image's counts are: 1 the row's own, 0 the other's.
    result = stats.permutation_test(
        (np.ones(count), np.zeros(count)),
        difference,
        permutation_type='samples',
        vectorized=True,
        n_resamples=RESAMPLES - 1,
        rng=RANDOM_STATE,
    )
    return float(result.pvalue)


def _miou(*parts: tuple[np.ndarray, PixelCounts]) -> np.ndarray:
    """mIoU, mean over seeds, of images that are taken so often from each of some rows.

    Args:
        parts: Pairs of how often each image is taken, (..., N), and a row's counts.
    """
    intersection = sum(_taken(times, counts.intersection) for times, counts in parts)
    union = sum(_taken(times, counts.union) for times, counts in parts)
    return mean_iou(intersection, union).mean(-1)


def _taken(times: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Sum pixels (S, N, C) over images, each taken so often, (..., N): (..., S, C)."""
    # BLAS sums doubles only, and exactly up to 2 ** 53 pixels.
    return np.tensordot(times.astype(float), pixels.astype(float), axes=(-1, 1))


def _number_of_images(row: PixelCounts, reference: PixelCounts) -> int:
    if row.names != reference.names:
        raise InputError(
            'per_image.npz: two rows were tested on different images; test both on the '
            'same'
        )
    return len(row.names)
