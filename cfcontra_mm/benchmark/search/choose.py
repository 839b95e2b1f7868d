"""Choose the settings of rows by the results of their trials."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from cfcontra_mm.benchmark.results import Result, read_results
from cfcontra_mm.benchmark.study import Row, Study, TunedRow
from cfcontra_mm.benchmark.study.load import DEVELOPMENT
from cfcontra_mm.benchmark.study.search import (
    draw_trials,
    searched_overrides,
    searched_rows,
    trial_name,
)
from cfcontra_mm.benchmark.tables.selections import VALIDATORS
from cfcontra_mm.benchmark.tables.summary import table_miou
from cfcontra_mm.errors import InputError

Identities = Mapping[tuple[str, int], str]


@dataclass(frozen=True)
class Trial:
    """A training of a row on the development pair.

    Args:
        row: Name of the row.
        number: Its number; 0 has the published settings.
        values: The drawn values by the keys of the search, empty for trial 0.
        status: ``'done'``, ``'failed'`` or ``'not run'``.
        scores: mIoU in percent of the last checkpoint, and the label-free scores of its
            validation, by the names of the metrics.
    """

    row: str
    number: int
    values: Mapping[str, float]
    status: str
    scores: Mapping[str, float]

    def score(self, name: str) -> float:
        """Return a score, NaN if there is none."""
        return self.scores.get(name, math.nan)


def trials_folder(out: Path) -> Path:
    """Return the folder of the trials' results, beside that of the study's."""
    return out.with_name(out.name + DEVELOPMENT)


def read_trials(
    study: Study, trials: Study, out: Path, identities: Identities | None = None
) -> list[Trial]:
    """Read the trials of every searched row from the results on the development pair.

    A result of other settings than the trial has now is none. What these are, the
    config hashes tell; without them, the overrides.

    Args:
        study: The study.
        trials: The study of its trials.
        out: Folder of the study's results.
        identities: Config hashes of the trials by (row, seed); by default tables are
            made of the results alone, whatever the code is now.

    Raises:
        InputError: The file is not a file of results.
    """
    assert study.development
    path = trials_folder(out) / 'results.jsonl'
    results = read_results(path, missing_ok=True)
    rows = {row.name: row for row in trials.rows}
    found = []
    for row in searched_rows(study):
        for number, values in enumerate(draw_trials(row, study.development)):
            trial = rows[trial_name(row, number)]
            key = trial.name, study.development.seed
            result = results.get(key)
            identity = identities[key] if identities else None
            if result is None or not _is_of(result, trials, trial, identity):
                result = Result('not run')
            scores = _scores(trials, result)
            found.append(Trial(row.name, number, values, result.status, scores))
    return found


def _is_of(result: Result, trials: Study, row: Row, identity: str | None) -> bool:
    """Tell whether a result has the config hash of its row, if that is known.

    Else whether it has the overrides that its row has now, if it says so.
    """
    if identity:
        return result.line.get('identity') == identity
    now = json.loads(json.dumps(trials.overrides(row), default=str))
    return result.line.get('overrides', now) == now


def _scores(trials: Study, result: Result) -> dict[str, float]:
    if result.status != 'done':
        return {}
    last = result.validations[max(result.validations)] if result.validations else {}
    scores = {name: last[name] for name in VALIDATORS.values() if name in last}
    return scores | {'mIoU': table_miou(trials, result.metrics)}


def chosen_trial(trials: Iterable[Trial], score: str) -> Trial | None:
    """Return the trial with the highest score, the earliest if several are equal.

    Args:
        trials: The trials of one row.
        score: Name of the metric. A trial that failed, or whose score is NaN, loses.

    Returns:
        None while a trial has not ended, or if none has a score.
    """
    trials = list(trials)
    if any(trial.status == 'not run' for trial in trials):
        return None
    scored = [trial for trial in trials if not math.isnan(trial.score(score))]
    return max(scored, key=lambda trial: trial.score(score), default=None)


def with_choices(
    study: Study,
    trials: Study | None,
    out: Path,
    identities: Identities | None = None,
) -> Study:
    """Give the rows of chosen settings what the trials have found so far.

    Args:
        study: The study.
        trials: The study of its trials; None if it has none.
        out: Folder of the study's results.
        identities: See :func:`read_trials`.

    Returns:
        The study; rows whose trials have not all ended stay open.

    Raises:
        InputError: The file of the trials' results is not one, or the label-free score
            is unknown.
    """
    if trials is None:
        return study
    check_label_free(study)
    found = read_trials(study, trials, out, identities)
    rows = [
        _with_choice(study, row, found) if isinstance(row, TunedRow) else row
        for row in study.rows
    ]
    return replace(study, rows=tuple(rows))


def _with_choice(study: Study, row: TunedRow, trials: Iterable[Trial]) -> TunedRow:
    chosen = chosen_trial((t for t in trials if t.row == row.of), row.score)
    if chosen is None:
        return row
    (published,) = (other for other in study.rows if other.name == row.of)
    own = searched_overrides(study.resolve(published), chosen.values)
    overrides = {**published.overrides, **own}
    return replace(row, overrides=overrides, trial=chosen.number)


def check_label_free(study: Study) -> None:
    """Check that the score by which rows are chosen without labels is known.

    Raises:
        InputError: It is not.
    """
    score = study.development.label_free if study.development else None
    if score is not None and score not in VALIDATORS.values():
        raise InputError(
            f'{study.name}: development.label_free: unknown score {score!r}; choose '
            f'from {", ".join(VALIDATORS.values())}'
        )
