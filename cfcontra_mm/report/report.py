"""The report of a study: its sections, made from the results of its runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from cfcontra_mm.benchmark.results import Result
from cfcontra_mm.benchmark.study import Study
from cfcontra_mm.benchmark.tables.formats import Table, table_cells
from cfcontra_mm.benchmark.tables.selections import (
    compare_selections,
    selection_caption,
    selection_cells,
)
from cfcontra_mm.benchmark.tables.summary import compared_with
from cfcontra_mm.files import write_whole

from .charts import bars
from .images import confusion_matrices, feature_map, image_slider, training_curves
from .page import Section, details, page, paragraphs, table
from .source import Source, read_source

LEAD = (
    'Unsupervised domain adaptation for semantic segmentation: methods trained under '
    'identical conditions with cfcontra_mm.'
)


def write_report(study: Study, out: Path, seeds: Sequence[int] = ()) -> Path:
    """Write ``report.html`` beside a study's results.

    A section that needs missing data or folders of runs is replaced by a sentence that
    says so.

    Args:
        study: The study.
        out: Folder of the study's results.
        seeds: Seeds to use instead of the study's.

    Returns:
        The file.

    Raises:
        InputError: There are no results, or their images or classes differ.
    """
    source = read_source(study, out, seeds)
    sections = [
        Section('Results', _results(source.table)),
        Section('Published figures', _published(source.table)),
        Section('Gains by class', _gains(source.table)),
        Section('Checkpoint selection', _selections(source)),
        Section('Training curves', training_curves(source)),
        Section('Images', image_slider(source)),
        Section('Feature map', feature_map(source)),
        Section('Confusion matrices', confusion_matrices(source)),
        Section('Runs', _runs(source)),
    ]
    path = out / 'report.html'
    write_whole(path, page(study.name, f'<p>{escape(LEAD)}</p>', sections))
    return path


def _results(found: Table) -> str:
    short = table(*table_cells(found, classes=False), 'Results')
    whole = table(*table_cells(found), 'Results with every class')
    return short + paragraphs(found.caption()) + details('Every class', whole)


def _published(found: Table) -> str:
    """Show the mIoU of each row beside that of its paper."""
    printed = {row.name for row in found.rows if row.status == 'published'}
    values = {
        f'{row.name}, {"published" if row.status == "published" else "ours"}': row.miou
        for row in found.rows
        # A paper's figure may be a string.
        if row.name in printed and isinstance(row.miou, float | int)
    }
    if not values:
        return ''
    note = (
        'mIoU in percent. Published figures are from the papers, with their data and '
        'networks; only the order of the methods can be compared.'
    )
    muted = [label for label in values if label.endswith(', published')]
    limit = max((v for v in values.values() if not math.isnan(v)), default=0.0)
    return paragraphs(note) + bars(values, limit, 'mIoU in percent', muted=muted)


def _gains(found: Table) -> str:
    """Show the gain in IoU of every class over the baseline, one chart per row."""
    done = {row.name: row for row in found.rows if row.status == 'done'}
    # All under the treatment of the baseline.
    compared = compared_with(found.study.baseline, done)
    baseline = compared.pop(found.study.baseline or '', None)
    if not baseline or not compared:
        return ''
    gains = {
        name: _differences(row.class_ious, baseline.class_ious)
        for name, row in compared.items()
    }
    adapted = [name for name in gains if name != found.study.oracle] or [*gains]
    numbers = (v for g in gains.values() for v in g.values() if not math.isnan(v))
    limit = max(map(abs, numbers), default=0.0)
    lower = found.study.baseline
    note = f'Gain in IoU over {lower} in percentage points, mean over seeds.'
    charts = (
        details(
            f'{name}: {done[name].gain:+.1f} mIoU',
            bars(values, limit, f'Gain of {name} over {lower}', signed=True),
            is_open=name == adapted[-1],
        )
        for name, values in gains.items()
    )
    return paragraphs(note) + ''.join(charts)


def _differences(
    ours: Mapping[str, float | None], theirs: Mapping[str, float | None]
) -> dict[str, float]:
    """Return the differences of the classes that both rows have."""
    pairs = {name: (iou, theirs.get(name)) for name, iou in ours.items()}
    return {n: a - b for n, (a, b) in pairs.items() if a is not None and b is not None}


def _selections(source: Source) -> str:
    rows = compare_selections(source.study, source.table.seeds, source.results)
    if not rows:
        return ''
    headings, cells = selection_cells(rows)
    caption = selection_caption(rows)
    return table(headings, cells, 'Checkpoint selection') + paragraphs(caption)


RUN_HEADINGS = [
    *('run', 'state', 'mIoU', 'iterations', 'iterations/s', 'minutes', 'memory (MiB)'),
    *('cfcontra_mm', 'commit', 'device', 'torch'),
]


def _runs(source: Source) -> str:
    rows = [
        [f'{row} seed {seed}', *_run_cells(result)]
        for (row, seed), result in source.results.items()
    ]
    return table(RUN_HEADINGS, rows, 'Runs')


def _run_cells(result: Result) -> list[str]:
    line = result.line
    if result.status != 'done':
        return [f'failed: {line["error"]}', *[''] * (len(RUN_HEADINGS) - 2)]
    environment = line.get('environment') or {}
    resumed = line.get('resumed_from')
    seconds = line.get('wall_seconds')
    minutes = _optional(None if seconds is None else seconds / 60, 1)
    return [
        'done',
        f'{result.metrics["mIoU"]:.2f}',
        _optional(result.iterations, 0),
        _optional(line.get('iterations_per_second'), 2),
        minutes + (f' from {resumed} on' if resumed else ''),
        _optional(line.get('peak_memory_mib'), 0),
        result.version,
        result.commit,
        str(environment.get('device', '')),
        str(environment.get('torch', '')),
    ]


def _optional(value: float | None, digits: int) -> str:
    return '' if value is None else f'{value:.{digits}f}'
