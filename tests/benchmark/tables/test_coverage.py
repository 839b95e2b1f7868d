"""Simulated studies: what the intervals cover, and how often nothing gets a mark."""

import itertools

import numpy as np
import pytest

from cfcontra_mm.benchmark.tables import statistics
from cfcontra_mm.benchmark.tables.comparisons import ImageTest
from cfcontra_mm.benchmark.tables.neighbours import uncorrelated_length
from cfcontra_mm.benchmark.tables.statistics import (
    PixelCounts,
    jackknife_interval,
    permutation_p_value,
    t_interval,
    t_test,
)
from cfcontra_mm.benchmark.tables.summary import Difference, adjust_p_values

CLASSES, SEEDS, STUDIES = 4, 3, 600
LEAD = 5.0


@pytest.fixture(autouse=True)
def _few_permutations(monkeypatch):
    """For speed; as they are cached, no other test may see them."""
    statistics._permutations.cache_clear()
    monkeypatch.setattr(statistics, 'RESAMPLES', 1000)
    yield
    statistics._permutations.cache_clear()


def simulate(rng, rows, blocks, length=1, seeds=SEEDS, seed_effect=0.0, gain=0.0):
    """Pixel counts of some rows on the same images; the first leads by ``gain``.

    Blocks of ``length`` images look alike. An image is easy or hard for all rows, and
    has an effect of its own on each row and class. As the accuracy is independent of
    the pixels of a class, the true IoU of a row is its mean accuracy.
    """
    images = blocks * length
    pixels = rng.gamma(2.0, 500.0, (1, images, CLASSES)).round()
    hard = rng.normal(0, 0.08, (1, blocks, 1))
    found = []
    for row in range(rows):
        own = rng.normal(0, 0.06, (1, blocks, CLASSES))
        noise = rng.normal(0, 0.05, (seeds, images, CLASSES))
        networks = rng.normal(0, seed_effect, (seeds, 1, 1))
        accuracy = 0.5 + gain * (row == 0) + networks + noise
        accuracy += (hard + own).repeat(length, axis=1)
        hits = (accuracy.clip(0, 1) * pixels).round().astype(int)
        union = pixels.repeat(seeds, axis=0).astype(int)
        found.append(PixelCounts(tuple(map(str, range(images))), hits, union))
    return found


def coverage(blocks, length=1):
    rng = np.random.default_rng(blocks)
    covered = []
    for _ in range(STUDIES):
        pair = simulate(rng, 2, blocks, length, gain=LEAD / 100)
        if length > 1:
            pair = [statistics._in_blocks(counts, length) for counts in pair]
        low, high = jackknife_interval(*pair)
        covered.append(low < LEAD < high)
    return np.mean(covered)


@pytest.mark.parametrize(
    ('blocks', 'length'),
    [(10, 1), (10, 10), (25, 1), (25, 4), (60, 1), (100, 1)],
)
def test_the_interval_over_images_covers_95_of_100_studies(blocks, length):
    assert 0.93 <= coverage(blocks, length) <= 0.97


def test_blocks_that_are_taken_for_images_cover_too_little():
    pairs = range(STUDIES)
    rng = np.random.default_rng(1)
    simulated = [simulate(rng, 2, 10, 10, gain=LEAD / 100) for _ in pairs]
    found = [jackknife_interval(*pair) for pair in simulated]
    assert np.mean([low < LEAD < high for low, high in found]) < 0.7


def drifting(rng, rows, images, memory):
    """Frames of a drive: effects that fade from frame to frame."""
    shocks = rng.normal(0, 1, (images, rows, CLASSES))
    for earlier, later in itertools.pairwise(shocks):
        later *= np.sqrt(1 - memory**2)
        later += memory * earlier
    pixels = rng.gamma(2.0, 500.0, (1, images, CLASSES)).round()
    names = tuple(map(str, range(images)))
    found = []
    for row in range(rows):
        accuracy = 0.5 + LEAD / 100 * (row == 0) + 0.06 * shocks[None, :, row]
        hits = (accuracy.clip(0, 1) * pixels).round().astype(int)
        found.append(PixelCounts(names, hits, pixels.astype(int)))
    return found


DRIVES = STUDIES // 2


@pytest.mark.parametrize(
    ('memory', 'images', 'expected'),
    [
        *itertools.product((0.5, 0.6, 0.8), (100, 200), (0.93,)),
        # Six blocks of 16 frames still have much in common.
        (0.9, 100, 0.85),
    ],
)
def test_the_chosen_length_makes_up_for_what_frames_have_in_common(
    memory, images, expected
):
    rng = np.random.default_rng(images)
    covered = {'frames': [], 'blocks': []}
    for _ in range(DRIVES):
        pair = drifting(rng, 2, images, memory)
        blocks = [
            statistics._in_blocks(counts, uncorrelated_length(*pair)) for counts in pair
        ]
        for name, counts in (('frames', pair), ('blocks', blocks)):
            low, high = jackknife_interval(*counts)
            covered[name].append(low < LEAD < high)
    # By three standard errors of so many studies.
    chance = 3 * np.sqrt(expected * (1 - expected) / DRIVES)
    assert np.mean(covered['blocks']) >= expected - chance
    assert np.mean(covered['frames']) < 0.85


def differences(rows):
    """The differences of all rows but the last from it, as a table has them."""
    *others, reference = rows
    theirs = by_seed(reference)
    found = {}
    for name, row in enumerate(others):
        gains = by_seed(row) - theirs
        test = ImageTest(
            jackknife_interval(row, reference),
            permutation_p_value(row, reference),
            1,
            0,
        )
        found[name] = Difference(
            gains.mean(),
            t_interval(gains, figures=2),
            test,
            seeds=len(gains),
            p_over_seeds=t_test(gains),
        )
    return adjust_p_values(found).values()


def by_seed(counts):
    return statistics.mean_iou(counts.intersection.sum(1), counts.union.sum(1))


def marks(seeds, seed_effect, gain=0.0, studies=STUDIES):
    """Which rows have a mark, (studies, rows); only the first one may gain."""
    rng = np.random.default_rng(seeds)
    found = []
    for _ in range(studies):
        rows = simulate(rng, 7, 25, seeds=seeds, seed_effect=seed_effect, gain=gain)
        found.append([found.significant for found in differences(rows)])
    return np.array(found)


@pytest.mark.parametrize('seeds', [3, 5])
# Networks of different seeds differ less, as much or more than images do.
@pytest.mark.parametrize('seed_effect', [0.0, 0.01, 0.04])
def test_a_table_without_a_gain_has_a_mark_in_at_most_5_of_100_studies(
    seeds, seed_effect
):
    in_table = marks(seeds, seed_effect).any(axis=1)
    # By three standard errors of so many studies.
    assert in_table.mean() <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / STUDIES)


def test_a_row_with_a_gain_is_marked():
    assert marks(5, 0.01, gain=0.1, studies=50)[:, 0].mean() > 0.9
