"""Statistics of the difference between two rows of a table.

A figure varies for two reasons: the seed of the training, and the images of the test.
The t-intervals account for the seeds; the bootstrap and the permutation test account
for the images, given the trained networks.
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
# Fixed, so that the same results always give the same table.
RANDOM_STATE = 0


class Interval(NamedTuple):
    """A 95 % confidence interval."""

    low: float
    high: float

    def excludes_zero(self) -> bool:
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class PixelCounts:
    """Pixel counts of S seeds, N images and C classes.

    Args:
        names: Names of the N images, or of the first images of N blocks.
        intersection: Pixels labelled and predicted as a class, (S, N, C).
        union: Pixels labelled or predicted as a class, (S, N, C).
    """

    names: tuple[str, ...]
    intersection: np.ndarray
    union: np.ndarray


def read_pixel_counts(
    paths: Sequence[Path], classes: Sequence[str], block_length: int = 1
) -> PixelCounts:
    """Read the pixel counts of the same images for several seeds.

    Args:
        paths: The ``per_image.npz`` of :class:`cfcontra_mm.evaluation.DomainIoUMetric`
            for each seed.
        classes: Names of the classes to read, in this order.
        block_length: Approximate number of neighbouring images to merge into a block.

    Raises:
        InputError: A class is missing, or the images differ.
    """
    per_seed = [_read_one(path, classes) for path in paths]
    for path, counts in zip(paths, per_seed, strict=True):
        if counts.names != per_seed[0].names:
            raise InputError(
                f'{path}: images differ from those of {paths[0]}; delete both runs and '
                'run the study again'
            )
    counts = PixelCounts(
        names=per_seed[0].names,
        intersection=np.stack([counts.intersection for counts in per_seed]),
        union=np.stack([counts.union for counts in per_seed]),
    )
    return counts if block_length == 1 else _in_blocks(counts, block_length)


def _in_blocks(counts: PixelCounts, length: int) -> PixelCounts:
    """Sum the counts over blocks of neighbouring images of about equal length."""
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
                f'{path}: no counts of {", ".join(sorted(missing))}; choose classes '
                f'from {", ".join(known)}'
            )
        columns = [known.index(name) for name in classes]
        return PixelCounts(
            tuple(arrays['names'].tolist()),
            arrays['intersection'][:, columns],
            arrays['union'][:, columns],
        )


def t_interval(values: Sequence[float]) -> Interval | None:
    """Return the 95 % t-interval of a mean over seeds, None for fewer than two.

    For paired differences, it is the interval of the paired t-test.
    """
    if len(values) < 2:
        return None
    quantile = stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1)
    half = quantile * np.std(values, ddof=1) / np.sqrt(len(values))
    center = np.mean(values)
    return Interval(float(center - half), float(center + half))


def mean_iou(intersection: np.ndarray, union: np.ndarray) -> np.ndarray:
    """Return the mIoU in percent (...) of counts (..., C) that are summed over images.

    Classes without pixels are left out of the mean, as in the metric.
    """
    present = union > 0
    iou = np.divide(intersection, union, out=np.zeros(union.shape), where=present)
    return 100 * iou.sum(-1) / present.sum(-1)


def bootstrap_interval(row: PixelCounts, reference: PixelCounts) -> Interval:
    """Return the 95 % bootstrap interval of the difference in mIoU over images.

    A resample holds the same images for both rows and all seeds, as a hard image is
    hard for every network. On each resample, the mIoU of each seed is computed, then
    the mean over seeds; the interval is given by percentiles of 10,000 resamples.

    Args:
        row: Counts of the row.
        reference: Counts of the reference row, on the same images.

    Returns:
        Interval of row minus reference, in percentage points.

    Raises:
        InputError: The images differ.
    """
    count = _number_of_images(row, reference)
    draws = np.random.default_rng(RANDOM_STATE).multinomial(
        count, np.full(count, 1 / count), size=RESAMPLES
    )
    differences = _miou((draws, row)) - _miou((draws, reference))
    tails = np.array([1 - CONFIDENCE, 1 + CONFIDENCE]) / 2
    return Interval(*np.quantile(differences, tails).tolist())


def permutation_p_value(row: PixelCounts, reference: PixelCounts) -> float:
    """Return the two-sided p-value of a paired permutation test over images.

    Under the null hypothesis, the predictions of both rows for an image, those of all
    seeds together, are exchangeable. The pairs are images and not seeds, as three seeds
    have only eight permutations and no p-value below 0.25.

    Args:
        row: Counts of the row.
        reference: Counts of the reference row, on the same images.

    Raises:
        InputError: The images differ.
    """

    def difference(kept: np.ndarray, swapped: np.ndarray, axis: int) -> np.ndarray:
        ours = _miou((kept, row), (swapped, reference))
        theirs = _miou((swapped, row), (kept, reference))
        return ours - theirs

    count = _number_of_images(row, reference)
    # Permuted is the origin of each image's counts: 1 for its own row, 0 for the other.
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
    """Return the mIoU, averaged over seeds, of a weighted sum over images.

    Args:
        parts: Pairs of the weight of each image, (..., N), and the counts of a row.
    """
    zero = np.zeros(())
    intersection = sum((_weighted_sum(w, c.intersection) for w, c in parts), zero)
    union = sum((_weighted_sum(w, c.union) for w, c in parts), zero)
    return mean_iou(intersection, union).mean(-1)


def _weighted_sum(weights: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Sum pixels (S, N, C) over images with weights (..., N) to (..., S, C)."""
    # BLAS sums doubles only, and exactly up to 2 ** 53 pixels.
    return np.tensordot(weights.astype(float), pixels.astype(float), axes=(-1, 1))


def _number_of_images(row: PixelCounts, reference: PixelCounts) -> int:
    if row.names != reference.names:
        raise InputError(
            'per_image.npz: two rows were tested on different images; test both on the '
            'same images'
        )
    return len(row.names)
