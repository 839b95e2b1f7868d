"""Records to a table: on the terminal, in Markdown and as CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev

from prettytable import PrettyTable, TableStyle

from .results import Record
from .study import Study

# As the papers print them, so that 19 columns fit on a wide terminal.
SHORT_NAMES = {
    'sidewalk': 'side.',
    'building': 'build.',
    'traffic light': 'light',
    'traffic sign': 'sign',
    'vegetation': 'veg.',
    'terrain': 'terr.',
    'person': 'pers.',
    'motorcycle': 'mbike',
    'bicycle': 'bike',
}


@dataclass(frozen=True)
class Summary:
    """One row of the table; IoU in percent, means over the seeds.

    Args:
        name: Heading of the row.
        status: 'done', or 'failed' or 'not run' if a seed has no result; such a row
            has no means.
        by_seed: mIoU or the status of every seed.
        class_ious: IoU of every class.
        miou: Mean IoU.
        std: Sample standard deviation of mIoU, None for one seed.
        gain: mIoU above the baseline's.
        gap_closed: Share of the way from the baseline to the oracle, in percent.
    """

    name: str
    status: str
    by_seed: tuple[float | str, ...]
    class_ious: Mapping[str, float]
    miou: float | None = None
    std: float | None = None
    gain: float | None = None
    gap_closed: float | None = None


def summarize(
    study: Study,
    seeds: Sequence[int],
    records: Mapping[tuple[str, int], Record],
    failed: set[tuple[str, int]],
) -> list[Summary]:
    """One summary a row of the study.

    Args:
        study: The study.
        seeds: Seeds of the table.
        records: Results by (row, seed).
        failed: The (row, seed) whose run failed.
    """
    rows = [_summarize_row(name, seeds, records, failed) for name in study.row_names()]
    mious = {row.name: row.miou for row in rows}
    return [_compare(row, mious[study.baseline], mious[study.oracle]) for row in rows]


def _summarize_row(
    name: str,
    seeds: Sequence[int],
    records: Mapping[tuple[str, int], Record],
    failed: set[tuple[str, int]],
) -> Summary:
    found = {seed: records.get((name, seed)) for seed in seeds}
    by_seed = tuple(
        record.metrics['mIoU']
        if record
        else ('failed' if (name, seed) in failed else 'not run')
        for seed, record in found.items()
    )
    missing = [value for value in by_seed if isinstance(value, str)]
    if missing:
        status = 'failed' if 'failed' in missing else 'not run'
        return Summary(name, status, by_seed, {})
    return Summary(
        name,
        'done',
        by_seed,
        _mean_by_class([record.class_ious() for record in found.values()]),
        miou=fmean(by_seed),
        std=stdev(by_seed) if len(by_seed) > 1 else None,
    )


def _mean_by_class(ious: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: fmean(iou[name] for iou in ious) for name in ious[0]}


def _compare(row: Summary, baseline: float | None, oracle: float | None) -> Summary:
    if row.miou is None or baseline is None:
        return row
    gain = row.miou - baseline
    # An oracle that is no better than the baseline leaves no gap to close.
    has_gap = oracle is not None and oracle > baseline
    share = 100 * gain / (oracle - baseline) if has_gap else None
    return replace(row, gain=gain, gap_closed=share)


def class_names(summaries: Sequence[Summary]) -> list[str]:
    """Classes of the first row that has a result, none if no row has."""
    return next((list(s.class_ious) for s in summaries if s.class_ious), [])


def terminal_table(summaries: Sequence[Summary]) -> str:
    """The table for a terminal, class names shortened."""
    table = _pretty_table(summaries, lambda name: SHORT_NAMES.get(name, name[:6]))
    table.padding_width = 0
    table.left_padding_width = 1
    return table.get_string()


def markdown_table(summaries: Sequence[Summary]) -> str:
    """The table in Markdown, class names in full."""
    table = _pretty_table(summaries, lambda name: name)
    table.set_style(TableStyle.MARKDOWN)
    return table.get_string()


def _pretty_table(
    summaries: Sequence[Summary], shorten: Callable[[str], str]
) -> PrettyTable:
    classes = class_names(summaries)
    several_seeds = len(summaries[0].by_seed) > 1
    table = PrettyTable()
    table.field_names = (
        ['method', *map(shorten, classes), 'mIoU', 'gain', 'gap closed']
    ) + ['mIoU by seed'] * several_seeds
    table.align = 'r'
    table.align['method'] = 'l'
    for row in summaries:
        cells = _cells(row, classes)
        if several_seeds:
            cells.append(', '.join(_number(value) for value in row.by_seed))
        table.add_row(cells)
    return table


def _cells(row: Summary, classes: Sequence[str]) -> list[str]:
    miou = _number(row.miou) if row.status == 'done' else row.status
    if row.std is not None:
        miou += f' ± {row.std:.1f}'
    return [
        row.name,
        *(_number(row.class_ious.get(name)) for name in classes),
        miou,
        '-' if row.gain is None else f'{row.gain:+.1f}',
        '-' if row.gap_closed is None else f'{row.gap_closed:.0f} %',
    ]


def _number(value: float | str | None) -> str:
    if isinstance(value, str):
        return value
    return '-' if value is None or math.isnan(value) else f'{value:.1f}'


def csv_table(summaries: Sequence[Summary], seeds: Sequence[int]) -> str:
    """The table for programs: a number or nothing in each cell."""
    classes = class_names(summaries)
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator='\n')
    writer.writerow(
        ['method', 'status', *classes, 'mIoU', 'mIoU std', 'gain', 'gap closed']
        + [f'mIoU seed {seed}' for seed in seeds]
    )
    for row in summaries:
        values = [row.class_ious.get(name) for name in classes]
        values += [row.miou, row.std, row.gain, row.gap_closed, *row.by_seed]
        writer.writerow([row.name, row.status, *map(_csv_number, values)])
    return stream.getvalue()


def _csv_number(value: float | str | None) -> str:
    missing = value is None or isinstance(value, str) or math.isnan(value)
    return '' if missing else f'{value:.2f}'
