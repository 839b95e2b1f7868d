import math
import random
import warnings

import pytest

from cfcontra_mm.errors import InputError
from cfcontra_mm.evaluation import select_checkpoint, spearman

NAN = math.nan


def history(**columns):
    """Validations at iterations 100, 200, ..."""
    rows = zip(*columns.values(), strict=True)
    return {
        100 * (i + 1): dict(zip(columns, row, strict=True))
        for i, row in enumerate(rows)
    }


def ranks(values):
    """One plus how many are smaller, equal values sharing their mean rank."""
    return [
        1 + sum(v < value for v in values) + (sum(v == value for v in values) - 1) / 2
        for value in values
    ]


def slow_spearman(x, y):
    x, y = ranks(x), ranks(y)
    dx = [a - sum(x) / len(x) for a in x]
    dy = [b - sum(y) / len(y) for b in y]
    covariance = sum(a * b for a, b in zip(dx, dy, strict=True))
    return covariance / math.sqrt(sum(a * a for a in dx) * sum(b * b for b in dy))


@pytest.mark.parametrize(
    ('scores', 'iteration'),
    [
        ([0.1, 0.3, 0.2], 200),
        ([0.3, 0.3, 0.2], 200),
        ([0.3, 0.3, 0.3], 300),
        ([-2.0, -1.0, NAN], 200),
        ([0.5], 100),
    ],
)
def test_the_highest_score_is_selected_of_equal_ones_the_last(scores, iteration):
    assert select_checkpoint(history(score=scores), 'score') == iteration


def test_selection_does_not_depend_on_the_order_of_the_validations():
    runs = history(score=[0.3, 0.3, 0.2])
    backwards = dict(reversed(runs.items()))
    assert select_checkpoint(backwards, 'score') == 200


@pytest.mark.parametrize('runs', [{}, history(mIoU=[3.0]), history(score=[NAN])])
def test_without_a_score_nothing_is_selected(runs):
    with pytest.raises(InputError, match=r'score: no validation .*LabelFreeScores'):
        select_checkpoint(runs, 'score')


@pytest.mark.parametrize('levels', [3, 1000])
def test_spearman_is_the_correlation_of_ranks_also_with_ties(levels):
    rng = random.Random(levels)
    for count in (3, 4, 10):
        x, y = ([rng.randrange(levels) for _ in range(count)] for _ in range(2))
        x[:2], y[:2] = [0, levels], [0, levels]
        found = spearman(history(score=x, mIoU=y), 'score')
        assert found == pytest.approx(slow_spearman(x, y))


@pytest.mark.parametrize(('sign', 'expected'), [(1, 1), (-1, -1)])
def test_spearman_of_any_monotone_relation_is_one(sign, expected):
    truth = [1.0, 5.0, 2.0, 40.0]
    runs = history(score=[sign * math.exp(t) for t in truth], mIoU=truth)
    assert spearman(runs, 'score') == pytest.approx(expected)


def test_spearman_takes_the_checkpoints_that_have_both():
    runs = history(score=[1, 2, 3, NAN], mIoU=[1, 3, 2, 9])
    runs[500] = dict(mIoU=0)
    assert spearman(runs, 'score') == pytest.approx(0.5)


@pytest.mark.parametrize(
    'columns',
    [
        dict(score=[], mIoU=[]),
        dict(score=[1, 2], mIoU=[1, 2]),
        dict(score=[1, 2, NAN], mIoU=[1, 2, 3]),
        dict(score=[1, 1, 1], mIoU=[1, 2, 3]),
        dict(score=[1, 2, 3], mIoU=[1, 1, 1]),
    ],
)
def test_what_cannot_be_ranked_has_no_correlation(columns):
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert math.isnan(spearman(history(**columns), 'score'))
