"""How many neighbouring images of a test depend on each other: the length of blocks."""

from __future__ import annotations

import math

import numpy as np

from .statistics import PixelCounts, number_of_images

# Correlation of neighbouring blocks that widens no interval by more than a tenth.
UNCORRELATED = 0.1
# An interval from fewer blocks says nothing.
FEWEST_BLOCKS = 4


def uncorrelated_length(row: PixelCounts, reference: PixelCounts) -> int:
    """Return the smallest length at which neighbouring blocks are uncorrelated.

    What is correlated is the influence of each image on the difference in mIoU, its
    pseudo-value of the jackknife, in the order of the test. The length is 1 if
    neighbouring images are correlated by no more than ``2 * sqrt(log10(N) / N)``, the
    limit of chance of Politis and White ("Automatic block-length selection for the
    dependent bootstrap", Econometric Reviews 23, 2004). Else it is the first at which
    the sums over all pairs of neighbouring blocks are correlated by at most
    ``UNCORRELATED``, but leaves ``FEWEST_BLOCKS`` blocks.

    Args:
        row: Counts of the row, image by image.
        reference: Counts of the reference row, on the same images.

    Raises:
        InputError: The images differ.
    """
    count = number_of_images(row, reference)
    if count < 2 * FEWEST_BLOCKS:
        return 1
    influence = reference.without_each - row.without_each
    influence = influence - influence.mean()
    if _correlation(influence, 1) <= 2 * math.sqrt(math.log10(count) / count):
        return 1
    longest = count // FEWEST_BLOCKS
    lengths = range(2, longest)
    found = (n for n in lengths if _correlation(influence, n) <= UNCORRELATED)
    return next(found, longest)


def _correlation(influence: np.ndarray, length: int) -> float:
    """Return the correlation of neighbouring blocks, 0 if nothing varies."""
    sums = np.convolve(influence, np.ones(length), 'valid')
    earlier, later = sums[:-length], sums[length:]
    scale = math.sqrt((earlier @ earlier) * (later @ later))
    return float(earlier @ later) / scale if scale > 0 else 0.0
