"""Write what the trials of a study have found."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from pathlib import Path

from prettytable import PrettyTable, TableStyle

from cfcontra_mm.benchmark.study import Study, TunedRow
from cfcontra_mm.benchmark.study.search import searched_groups, searched_rows
from cfcontra_mm.benchmark.tables.captions import choices
from cfcontra_mm.files import csv_text, write_whole

from .choose import Trial, read_trials

PUBLISHED = 'published'


def write_search(study: Study, trials: Study | None, out: Path) -> None:
    """Write the trials and what they chose to ``search.csv`` and ``search.md``.

    Args:
        study: The study with its choices, see :func:`.with_choices`.
        trials: The study of its trials; without one, nothing is written.
        out: Folder of the study's results.

    Raises:
        InputError: The file of the trials' results is not a file of results.
    """
    if trials is None:
        return
    headings, cells = search_cells(study, read_trials(study, trials, out))
    table = PrettyTable(headings, align='l')
    table.set_style(TableStyle.MARKDOWN)
    table.add_rows(cells)
    write_whole(out / 'search.csv', csv_text([headings, *cells]))
    caption = '\n'.join(choices(study))
    write_whole(out / 'search.md', f'{table.get_string()}\n\n{caption}\n')
    print(f'Written: {out}/search.csv and .md')


def search_cells(
    study: Study, trials: list[Trial]
) -> tuple[list[str], list[list[str]]]:
    """Return the headings and a line for each trial.

    Args:
        study: The study with its choices.
        trials: Its trials.
    """
    assert study.development
    label_free = study.development.label_free
    scores = ['mIoU', *([label_free] if label_free else [])]
    headings = ['method', 'trial', 'settings', 'development mIoU', *scores[1:]]
    groups = {row.name: searched_groups(study, row) for row in searched_rows(study)}
    lines = []
    for trial in trials:
        by = [
            row.score for row in _tuned(study, trial.row) if row.trial == trial.number
        ]
        figures = [_figure(trial, score) for score in scores]
        text = settings_text(trial.values, groups[trial.row])
        lines.append([trial.row, str(trial.number), text, *figures, ', '.join(by)])
    return [*headings, 'chosen by'], lines


def _tuned(study: Study, name: str) -> list[TunedRow]:
    rows = (row for row in study.rows if isinstance(row, TunedRow))
    return [row for row in rows if row.of == name]


def settings_text(values: Mapping[str, float], groups: Collection[str]) -> str:
    """Return searched values as a text, ``'published'`` if there are none.

    Args:
        values: Values by the keys of the search.
        groups: Those keys whose value is a factor of the weights in a group.
    """
    signs = {key: '×' if key in groups else '=' for key in values}  # noqa: RUF001
    texts = (f'{key} {signs[key]} {value:g}' for key, value in values.items())
    return ', '.join(texts) or PUBLISHED


def _figure(trial: Trial, score: str) -> str:
    if trial.status != 'done':
        return trial.status
    value = trial.score(score)
    digits = 2 if score == 'mIoU' else 4
    return '-' if math.isnan(value) else f'{value:.{digits}f}'
