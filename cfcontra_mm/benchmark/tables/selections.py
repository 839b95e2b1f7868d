"""Compare ways to select a checkpoint of a run by the mIoU that each reports."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from statistics import fmean

from prettytable import TableStyle

from cfcontra_mm.benchmark.results.results_file import Result
from cfcontra_mm.benchmark.study import Study
from cfcontra_mm.evaluation.selection import History, select_checkpoint, spearman
from cfcontra_mm.files import csv_text

from .formats import latex, latex_tabular, method_table
from .summary import Results, table_miou
from .treatments import deviation

# Metrics of LabelFreeScores by their headings.
VALIDATORS = {
    'certainty': 'target/certainty',
    'information': 'target/information',
    'density': 'target/density',
    'agreement': 'target/agreement',
}
BEST = 'best†'
CAPTION = (
    'Checkpoint selection: mIoU of the last checkpoint, of the one with the highest '
    'label-free score, and of the best by the target labels\n'
    '†: upper bound, as it uses the target labels; not a result of the method\n'
    'rank: Spearman correlation of the score with mIoU over the checkpoints of a '
    'run, mean over seeds'
)
MISSING = '-: a validation that was due is missing'


@dataclass(frozen=True)
class Selections:
    """What each way of selection gives for one row, one value per seed.

    Args:
        name: Name of the row.
        miou: mIoU in percent of the selected checkpoint, by ``'last'``, the validators
            that have a value in every run, and ``'best†'``.
        rank: Spearman correlation with mIoU by validator; NaN for a run whose
            checkpoints it cannot rank.
        missing: Iterations whose validation was due but is missing, by seed; such a
            row has neither of the above.
    """

    name: str
    miou: Mapping[str, tuple[float, ...]]
    rank: Mapping[str, tuple[float, ...]]
    missing: Mapping[int, Sequence[int]] = field(default_factory=dict)


def compare_selections(
    study: Study, seeds: Sequence[int], results: Results
) -> list[Selections]:
    """Compare the selections of every row whose runs all have several validations.

    A row that lacks a validation that was due has no values: the checkpoint that would
    have been selected may be the one that was not validated.
    """
    rows = []
    for row in study.planned():
        found = {s: results.get((row.name, s), Result('not run')) for s in seeds}
        histories = [_history(study, result) for result in found.values()]
        gaps = {s: r.missing_validations for s, r in found.items()}
        missing = {seed: iterations for seed, iterations in gaps.items() if iterations}
        if missing:
            rows.append(Selections(row.name, {}, {}, missing))
        elif all(len(history) > 1 for history in histories):
            rows.append(_compare(row.name, histories))
    return rows


def selection_caption(rows: Sequence[Selections]) -> str:
    """Return an explanation of the figures, one sentence per line."""
    missing = [
        f'{row.name} seed {seed} (iteration {", ".join(map(str, iterations))})'
        for row in rows
        for seed, iterations in row.missing.items()
    ]
    note = f'\n{MISSING}: {", ".join(missing)}' if missing else ''
    return CAPTION + note


def _history(study: Study, result: Result) -> History:
    """Return a run's validations, with their mIoU over the classes of the table."""
    return {
        iteration: {**values, 'mIoU': table_miou(study, values)}
        for iteration, values in result.validations.items()
        if 'mIoU' in values
    }


def _compare(name: str, histories: Sequence[History]) -> Selections:
    scores = {
        heading: key
        for heading, key in VALIDATORS.items()
        if all(_has_number(history, key) for history in histories)
    }

    def reported(select: Callable[[History], int]) -> tuple[float, ...]:
        return tuple(
            history[select(history)]['mIoU']
            if _has_number(history, 'mIoU')
            else math.nan
            for history in histories
        )

    return Selections(
        name,
        miou={
            'last': reported(max),
            **{
                heading: reported(partial(select_checkpoint, name=key))
                for heading, key in scores.items()
            },
            BEST: reported(partial(select_checkpoint, name='mIoU')),
        },
        rank={
            heading: tuple(spearman(history, key) for history in histories)
            for heading, key in scores.items()
        },
    )


def _has_number(history: History, key: str) -> bool:
    return any(not math.isnan(v.get(key, math.nan)) for v in history.values())


def selection_text(rows: Sequence[Selections], markdown: bool = False) -> str:
    """Format the mIoU of each selection and the rank correlation of each score."""
    pretty = method_table(*selection_cells(rows))
    if markdown:
        pretty.set_style(TableStyle.MARKDOWN)
    return pretty.get_string()


def selection_latex(rows: Sequence[Selections]) -> str:
    """Format the same table as a ``tabular``."""
    headings, cells = selection_cells(rows)
    names = [latex(heading) for heading in headings]
    return latex_tabular(names, cells, selection_caption(rows))


def selection_cells(rows: Sequence[Selections]) -> tuple[list[str], list[list[str]]]:
    """Return the headings and the cells of every line."""
    return _headings(), [_cells(row) for row in rows]


def _cells(row: Selections) -> list[str]:
    return [
        row.name,
        *(_spread(row.miou.get(name, ())) for name in _selectors()),
        *(_rank(row.rank.get(name, ())) for name in VALIDATORS),
    ]


def selection_csv(rows: Sequence[Selections]) -> str:
    """Format the means over seeds as CSV, '' where there is none."""
    lines = [_headings()]
    for row in rows:
        mious = [row.miou.get(name) for name in _selectors()]
        ranks = [_mean(row.rank.get(name, ())) for name in VALIDATORS]
        cells = ['' if values is None else f'{fmean(values):.6g}' for values in mious]
        cells += ['' if math.isnan(rank) else f'{rank:.6g}' for rank in ranks]
        lines.append([row.name, *cells])
    return csv_text(lines)


def _selectors() -> list[str]:
    return ['last', *VALIDATORS, BEST]


def _headings() -> list[str]:
    return ['method', *_selectors(), *(f'rank {name}' for name in VALIDATORS)]


def _mean(values: Sequence[float]) -> float:
    """Return the mean of the values that are not NaN, NaN if there are none."""
    numbers = [value for value in values if not math.isnan(value)]
    return fmean(numbers) if numbers else math.nan


def _spread(values: Sequence[float]) -> str:
    if not values:
        return '-'
    spread = f' ± {deviation(values):.1f}' if len(values) > 1 else ''
    return f'{fmean(values):.1f}{spread}'


def _rank(values: Sequence[float]) -> str:
    mean = _mean(values)
    return '-' if math.isnan(mean) else f'{mean:+.2f}'
