"""Choosing a checkpoint by a score, and how well a score ranks checkpoints."""

from __future__ import annotations

import math
from collections.abc import Mapping

from scipy.stats import spearmanr

from cfcontra_mm.errors import InputError

History = Mapping[int, Mapping[str, float]]
"""What each validation of a run gave, by iteration."""


def select_checkpoint(history: History, name: str) -> int:
    """Iteration of the highest score, of several such the last.

    Args:
        history: The run's validations.
        name: The score; validations without it, or where it is NaN, do not count.

    Raises:
        InputError: No validation has the score.
    """
    scores = _scores(history, name)
    if not scores:
        raise InputError(
            f'{name}: no validation has this score; the config needs '
            'LabelFreeScores in val_evaluator'
        )
    return max(scores, key=lambda iteration: (scores[iteration], iteration))


def spearman(history: History, name: str, truth: str = 'mIoU') -> float:
    """Rank correlation of a score with what it stands for, over a run's checkpoints.

    Args:
        history: The run's validations.
        name: The score.
        truth: What the labels say.

    Returns:
        Spearman's coefficient, in which equal values share the mean of their ranks;
        NaN with fewer than three checkpoints or where all values are equal.
    """
    scores, truths = _scores(history, name), _scores(history, truth)
    common = scores.keys() & truths.keys()
    columns = [[values[i] for i in common] for values in (scores, truths)]
    if len(common) < 3 or any(len(set(column)) == 1 for column in columns):
        return math.nan
    return float(spearmanr(*columns).statistic)


def _scores(history: History, name: str) -> dict[int, float]:
    """The score of each validation that has it."""
    found = {i: values[name] for i, values in history.items() if name in values}
    return {i: score for i, score in found.items() if not math.isnan(score)}
