"""How many neighbouring images of a test depend on each other: the length of blocks."""

from __future__ import annotations

import math

import numpy as np

from .statistics import PixelCounts, number_of_images

# Correlation of neighbouring blocks that widens no interval by more than a tenth.
UNCORRELATED = 0.1
# The first length with so small a correlation is often so by chance.
SAFETY = 3
# Of the limit of chance of Politis and White, which lets too much pass on 100 frames.
CHANCE = 1.25
# With fewer blocks no permutation test can have a p-value below 0.05.
FEWEST_BLOCKS = 6


def uncorrelated_length(row: PixelCounts, reference: PixelCounts) -> int:
    """Return a length at which neighbouring blocks are hardly correlated.

    What is correlated is the influence of each image on the difference in mIoU, its
    pseudo-value of the jackknife, in the order of the test. The length is 1 if
    neighbouring images are correlated by no more than ``CHANCE * sqrt(log10(N) / N)``,
    where Politis and White have 2 for ``CHANCE`` ("Automatic block-length selection for
    the dependent bootstrap", Econometric Reviews 23, 2004). Else it is ``SAFETY`` times
    the first at which the sums over all pairs of neighbouring blocks are correlated by
    at most ``UNCORRELATED``, but leaves ``FEWEST_BLOCKS`` blocks.

    In simulated drives, intervals of such blocks cover about 93 % if neighbouring
    frames are correlated by 0.5 or 0.6. If they are by 0.8, they cover 91 % over 100
    frames and 93 % over 200; by 0.9 and over 100 frames, 85 %.

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
    if _correlation(influence, 1) <= CHANCE * math.sqrt(math.log10(count) / count):
        return 1
    longest = count // FEWEST_BLOCKS
    lengths = range(2, longest)
    found = (n for n in lengths if _correlation(influence, n) <= UNCORRELATED)
    return min(SAFETY * next(found, longest), longest)


def _correlation(influence: np.ndarray, length: int) -> float:
    """Return the correlation of neighbouring blocks, 0 if nothing varies."""
    sums = np.convolve(influence, np.ones(length), 'valid')
    earlier, later = sums[:-length], sums[length:]
    scale = math.sqrt((earlier @ earlier) * (later @ later))
    return float(earlier @ later) / scale if scale > 0 else 0.0
