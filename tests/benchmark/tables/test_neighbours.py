"""The length of blocks, on images whose dependence is known."""

import numpy as np
import pytest

from cfcontra_mm.benchmark.tables.neighbours import uncorrelated_length
from cfcontra_mm.benchmark.tables.statistics import PixelCounts
from cfcontra_mm.errors import InputError

PIXELS = 1000


def pair(influences):
    """Two rows of one class whose difference in each image is given in pixels."""
    names = tuple(map(str, range(len(influences))))
    union = np.full((1, len(influences), 1), PIXELS)
    hits = np.full_like(union, 500)
    moved = np.round(influences).astype(int)[None, :, None]
    return PixelCounts(names, hits + moved, union), PixelCounts(names, hits, union)


def moving_sum(rng, images, memory):
    """Values that have something in common up to a distance of ``memory - 1``."""
    shocks = rng.normal(0, 60 / memory**0.5, images + memory - 1)
    return np.convolve(shocks, np.ones(memory), 'valid')


def test_independent_images_are_no_blocks():
    rng = np.random.default_rng(1)
    lengths = [uncorrelated_length(*pair(rng.normal(0, 60, 100))) for _ in range(200)]
    assert np.mean(np.array(lengths) == 1) > 0.95


@pytest.mark.parametrize('memory', [4, 10])
def test_blocks_are_longer_than_what_frames_have_in_common(memory):
    rng = np.random.default_rng(memory)
    found = [
        uncorrelated_length(*pair(moving_sum(rng, 400, memory))) for _ in range(50)
    ]
    # Of blocks of length L, two neighbours are correlated by about memory / (6 L).
    assert 3 * memory <= np.median(found) <= min(12 * memory, 400 // 6)


def test_six_blocks_are_left_whatever_the_correlation():
    assert uncorrelated_length(*pair(np.linspace(-300, 300, 100))) == 16


@pytest.mark.parametrize('images', [1, 2, 11])
def test_few_images_are_taken_one_by_one(images):
    assert uncorrelated_length(*pair(np.linspace(-300, 300, images))) == 1


def test_rows_that_do_not_differ_are_not_correlated():
    assert uncorrelated_length(*pair(np.zeros(50))) == 1


def test_the_order_of_the_rows_does_not_matter():
    row, reference = pair(moving_sum(np.random.default_rng(2), 200, 8))
    length = uncorrelated_length(row, reference)
    assert length == uncorrelated_length(reference, row) > 1


def test_other_images_are_not_compared():
    with pytest.raises(InputError, match='different images'):
        uncorrelated_length(pair(np.zeros(9))[0], pair(np.zeros(10))[1])
