"""Selecting a checkpoint by a score, and how well a score ranks checkpoints."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from scipy.stats import rankdata

from cfcontra_mm.errors import InputError

History = Mapping[int, Mapping[str, float]]
"""Metrics of each validation of a run, by iteration."""


def select_checkpoint(history: History, name: str) -> int:
    """Return the iteration with the highest score, the last one if several are equal.

    Args:
        history: The run's validations.
        name: Name of the score; validations that lack it or have NaN are ignored.

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
    """Compute the rank correlation of a score with the truth, over a run's checkpoints.

    Args:
        history: The run's validations.
        name: Name of the score.
        truth: Name of the metric from labels that the score stands for.

    Returns:
        Spearman's coefficient, in which equal values share their mean rank; NaN with
        fewer than three checkpoints or if all values are equal.
    """
    scores, truths = _scores(history, name), _scores(history, truth)
    common = scores.keys() & truths.keys()
    columns = [[values[i] for i in common] for values in (scores, truths)]
    if len(common) < 3 or any(len(set(column)) == 1 for column in columns):
        return math.nan
    # `scipy.stats.spearmanr` spends its time on a p-value.
    return float(np.corrcoef(rankdata(columns, axis=1))[0, 1])


def _scores(history: History, name: str) -> dict[int, float]:
    """Return the score of each validation that has it, by iteration."""
    found = {i: values[name] for i, values in history.items() if name in values}
    return {i: score for i, score in found.items() if not math.isnan(score)}
