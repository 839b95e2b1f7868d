"""Every number against a closed form, a slow reference or what chance must give."""

import itertools

import numpy as np
import pytest
from scipy import stats

from cfcontra_mm.benchmark.tables import statistics
from cfcontra_mm.benchmark.tables.neighbours import uncorrelated_length
from cfcontra_mm.benchmark.tables.statistics import (
    Interval,
    PixelCounts,
    holm,
    jackknife_interval,
    mean_iou,
    permutation_p_value,
    read_pixel_counts,
    t_interval,
    t_test,
)
from cfcontra_mm.errors import InputError

PIXELS = 1000


def counts(rng, accuracy=0.6, seeds=2, images=12, classes=3, names='street'):
    """Counts of networks that find a class with some accuracy, one a seed."""
    of_class = rng.integers(0, PIXELS, (1, images, classes))
    intersection = rng.binomial(of_class, accuracy, (seeds, images, classes))
    false = rng.integers(0, PIXELS // 4, (seeds, images, classes))
    return PixelCounts(
        tuple(f'{names}_{index}' for index in range(images)),
        intersection,
        of_class + false,
    )


def slow_miou(row, images):
    """mIoU, mean over seeds, of these images, loop by loop."""
    of_seeds = []
    for intersection, union in zip(row.intersection, row.union, strict=True):
        ious = []
        for k in range(union.shape[1]):
            either = sum(int(union[i, k]) for i in images)
            if either:
                ious.append(sum(int(intersection[i, k]) for i in images) / either)
        of_seeds.append(100 * sum(ious) / len(ious))
    return sum(of_seeds) / len(of_seeds)


def test_t_interval_of_three_seeds_worked_out_by_hand():
    # Mean 2, standard deviation 1, and 4.302653 is the quantile of 2 degrees.
    half = 4.302653 / np.sqrt(3)
    assert t_interval([1.0, 2.0, 3.0]) == pytest.approx((2 - half, 2 + half), abs=1e-6)
    assert t_interval([5.0]) is None


def test_t_interval_of_differences_is_the_paired_t_tests():
    rng = np.random.default_rng(1)
    ours, theirs = rng.normal(40, 2, 6), rng.normal(38, 2, 6)
    expected = stats.ttest_rel(ours, theirs).confidence_interval(0.95)
    assert t_interval(ours - theirs) == pytest.approx(tuple(expected))


def test_t_interval_covers_the_mean_in_95_of_100_trials():
    draws = np.random.default_rng(2).normal(7.0, 3.0, (2000, 3))
    intervals = [t_interval(values) for values in draws]
    covered = np.mean([low < 7.0 < high for low, high in intervals])
    assert covered == pytest.approx(0.95, abs=0.015)


def test_equal_differences_are_no_more_certain_than_their_figures_are_rounded():
    # Each of two figures is off by up to 0.005; 4.302653 is the quantile.
    half = 4.302653 * 0.01 / np.sqrt(12) * np.sqrt(2) / np.sqrt(3)
    assert t_interval([0.01] * 3, figures=2) == pytest.approx(
        (0.01 - half, 0.01 + half), abs=1e-8
    )
    assert t_test([0.01] * 3) == pytest.approx(0.0513, abs=1e-4)
    assert t_test([0.0] * 3) == 1.0
    assert t_test([np.nan, 1.0]) == 1.0


def test_t_test_is_the_paired_one():
    rng = np.random.default_rng(1)
    ours, theirs = rng.normal(40, 2, 6), rng.normal(38, 2, 6)
    expected = stats.ttest_rel(ours, theirs).pvalue
    assert t_test(ours - theirs) == pytest.approx(expected)


@pytest.mark.parametrize(
    ('low', 'high', 'excluded'),
    [(0.1, 0.5, True), (-0.5, -0.1, True), (-0.1, 0.1, False), (0.0, 0.2, False)],
)
def test_excludes_zero(low, high, excluded):
    assert Interval(low, high).excludes_zero() is excluded


def test_mean_iou_leaves_out_classes_without_pixels():
    assert mean_iou(np.array([1, 3, 0]), np.array([2, 4, 0])) == pytest.approx(62.5)


def test_jackknife_equals_a_slow_one():
    rng = np.random.default_rng(3)
    row, reference = counts(rng, 0.6), counts(rng, 0.55)

    def difference(images):
        return slow_miou(row, images) - slow_miou(reference, images)

    whole = difference(range(12))
    left = [difference([i for i in range(12) if i != out]) for out in range(12)]
    values = [12 * whole - 11 * value for value in left]
    # 2.200985 is the quantile of 11 degrees.
    half = 2.200985 * np.std(values, ddof=1) / np.sqrt(12)
    found = jackknife_interval(row, reference)
    assert found == pytest.approx((whole - half, whole + half), rel=1e-6)
    turned = jackknife_interval(reference, row)
    assert turned == pytest.approx((-found.high, -found.low))


def test_jackknife_of_a_mean_is_students_t():
    row, reference = noisy_pair(np.random.default_rng(4), 9, 2.0)
    values = 100 * (row.intersection - reference.intersection)[0, :, 0] / PIXELS
    assert jackknife_interval(row, reference) == pytest.approx(t_interval(values))


def test_one_image_says_nothing():
    pair = noisy_pair(np.random.default_rng(4), 1, 2.0)
    assert jackknife_interval(*pair) == (-np.inf, np.inf)
    assert not jackknife_interval(*pair).excludes_zero()
    assert permutation_p_value(*pair) == 1.0


@pytest.mark.filterwarnings('error')
@pytest.mark.parametrize('labelled', [0, 1])
def test_images_without_labels_say_nothing(labelled):
    rng = np.random.default_rng(5)
    row, reference = counts(rng, 0.6), counts(rng, 0.5)
    for counted in (row, reference):
        counted.union[:, labelled:] = counted.intersection[:, labelled:] = 0
    assert jackknife_interval(row, reference) == (-np.inf, np.inf)
    assert permutation_p_value(row, reference) == 1.0
    assert uncorrelated_length(row, reference) == 1


def test_a_class_of_one_image_is_left_out_with_it():
    rng = np.random.default_rng(5)
    row, reference = counts(rng, 0.6, classes=2), counts(rng, 0.5, classes=2)
    for counted in (row, reference):
        counted.union[:, 1:, 1] = counted.intersection[:, 1:, 1] = 0
    found = row.without_each
    assert found[0] == pytest.approx(slow_miou(row, range(1, 12)))
    assert np.isfinite([*found, *jackknife_interval(row, reference)]).all()


def test_a_row_does_not_differ_from_itself():
    row = counts(np.random.default_rng(5))
    assert jackknife_interval(row, row) == (0.0, 0.0)
    assert not jackknife_interval(row, row).excludes_zero()
    assert permutation_p_value(row, row) == 1.0


def test_the_jackknife_keeps_the_images_of_rows_and_seeds_together():
    # A hard image is hard for every network: the difference never changes.
    rng = np.random.default_rng(6)
    hits = rng.integers(1, 900, (1, 20, 1)).repeat(3, axis=0)
    union = np.full((3, 20, 1), PIXELS)
    names = tuple(map(str, range(20)))
    row = PixelCounts(names, hits + 50, union)
    found = jackknife_interval(row, PixelCounts(names, hits, union))
    assert found == pytest.approx((5.0, 5.0))


def noisy_pair(rng, images, lead):
    """One class, one seed: the difference is the mean of independent values."""
    names = tuple(map(str, range(images)))
    union = np.full((1, images, 1), PIXELS)
    hits = rng.integers(200, 700, (1, images, 1))
    ours = hits + rng.normal(10 * lead, 60, hits.shape).round().astype(int)
    return PixelCounts(names, ours, union), PixelCounts(names, hits, union)


def test_permutation_equals_all_swaps_one_by_one():
    rng = np.random.default_rng(8)
    row, reference = counts(rng, 0.62, images=7), counts(rng, 0.55, images=7)

    def swapped(choice):
        sides = np.array(choice)[None, :, None]
        ours, theirs = (
            PixelCounts(
                row.names,
                np.where(sides == side, row.intersection, reference.intersection),
                np.where(sides == side, row.union, reference.union),
            )
            for side in (0, 1)
        )
        return slow_miou(ours, range(7)) - slow_miou(theirs, range(7))

    null = np.array([swapped(c) for c in itertools.product((0, 1), repeat=7)])
    observed = null[0]
    assert observed == pytest.approx(
        slow_miou(row, range(7)) - slow_miou(reference, range(7))
    )
    extreme = min(np.mean(null >= observed - 1e-9), np.mean(null <= observed + 1e-9))
    assert permutation_p_value(row, reference) == pytest.approx(min(1, 2 * extreme))


def test_permutation_errs_in_5_of_100_trials_without_a_difference(monkeypatch):
    monkeypatch.setattr(statistics, 'RESAMPLES', 400)
    rng = np.random.default_rng(9)
    values = [permutation_p_value(*noisy_pair(rng, 30, 0.0)) for _ in range(300)]
    assert np.mean(np.array(values) < 0.05) == pytest.approx(0.05, abs=0.035)
    assert permutation_p_value(*noisy_pair(rng, 30, 5.0)) < 0.01


def test_holm_worked_out_by_hand():
    # In order 0.005 * 4, 0.01 * 3, 0.03 * 2 and 0.04, which may not be below the last.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.5, 0.5]) == [1.0, 1.0, 1.0]
    assert holm([]) == []


def test_holm_errs_in_5_of_100_tables_without_a_difference():
    draws = np.random.default_rng(12).uniform(size=(1000, 6))
    assert np.mean([min(holm(p)) < 0.05 for p in draws]) == pytest.approx(
        0.05, abs=0.02
    )


def save(path, names, hits):
    union = np.full_like(hits, PIXELS)
    classes = ['road', 'sky']
    np.savez(path, names=names, classes=classes, intersection=hits, union=union)
    return path


def test_counts_are_read_by_seed_and_class(tmp_path):
    hits = np.arange(6).reshape(3, 2)
    paths = [
        save(tmp_path / f'{seed}.npz', ['a', 'b', 'c'], hits + seed) for seed in (0, 1)
    ]
    read = read_pixel_counts(paths, ['sky'])
    assert read.names == ('a', 'b', 'c')
    assert read.intersection.tolist() == [[[1], [3], [5]], [[2], [4], [6]]]
    assert read.union.shape == (2, 3, 1)
    with pytest.raises(InputError, match=r'0\.npz: no counts of car; .* road, sky'):
        read_pixel_counts(paths, ['car', 'sky'])


def test_other_images_are_refused(tmp_path):
    hits = np.ones((2, 2), int)
    paths = [save(tmp_path / f'{n}.npz', ['a', n], hits) for n in ('b', 'c')]
    with pytest.raises(InputError, match=r'c\.npz: images differ from .*b\.npz'):
        read_pixel_counts(paths, ['road'])
    rng = np.random.default_rng(11)
    with pytest.raises(InputError, match='different images'):
        jackknife_interval(counts(rng), counts(rng, names='other'))


def test_frames_of_a_video_are_no_chances_of_their_own(tmp_path):
    rng = np.random.default_rng(9)
    pair = noisy_pair(rng, 12, 2.0)
    frames = []
    for index, counted in enumerate(pair):
        path = tmp_path / f'{index}.npz'
        arrays = {
            'intersection': counted.intersection[0].repeat(10, axis=0),
            'union': counted.union[0].repeat(10, axis=0),
        }
        names = [f'{i:03}' for i in range(120)]
        np.savez(path, names=names, classes=['road'], **arrays)
        frames.append(path)
    expected = jackknife_interval(*pair)
    blocks = [read_pixel_counts([path], ['road'], 10) for path in frames]
    assert blocks[0].names[:2] == ('000', '010')
    assert jackknife_interval(*blocks) == pytest.approx(expected)
    low, high = jackknife_interval(*(read_pixel_counts([p], ['road']) for p in frames))
    ratio = (expected.high - expected.low) / (high - low)
    # Standard errors of 12 and of 10 * 12 values, quantiles of 11 and 119 degrees.
    assert ratio == pytest.approx((119 / 11) ** 0.5 * 2.200985 / 1.980100)


def test_blocks_are_as_even_as_can_be():
    counted = counts(np.random.default_rng(10), images=11)
    blocks = statistics._in_blocks(counted, 4)
    assert blocks.names == ('street_0', 'street_4', 'street_8')
    pixels = counted.union
    expected = [pixels[:, :4].sum(1), pixels[:, 4:8].sum(1), pixels[:, 8:].sum(1)]
    assert (blocks.union == np.stack(expected, axis=1)).all()
