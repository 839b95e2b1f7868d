"""Summarize results as the numbers of a table."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from statistics import fmean, stdev
from typing import Any

from cfcontra_mm.benchmark.results.results_file import Result
from cfcontra_mm.benchmark.study import Column, Row, Study
from cfcontra_mm.errors import InputError

from .comparisons import Comparisons
from .statistics import Interval, t_interval

Results = Mapping[tuple[str, int], Result]


@dataclass(frozen=True)
class Difference:
    """Difference in mIoU between a row and the reference, in percentage points.

    Args:
        mean: Mean over seeds.
        over_seeds: Paired t-interval over seeds, None for one seed.
        over_images: Bootstrap interval over images, None without their pixel counts.
        p_value: p-value of the paired permutation test over images, None likewise.
    """

    mean: float
    over_seeds: Interval | None
    over_images: Interval | None = None
    p_value: float | None = None

    @property
    def significant(self) -> bool:
        """Whether the intervals over images and over seeds both exclude zero.

        With a single seed, no difference is significant.
        """
        intervals = (self.over_seeds, self.over_images)
        return all(interval and interval.excludes_zero() for interval in intervals)


@dataclass(frozen=True)
class Summary:
    """One line of the table; IoU in percent, means over seeds.

    Args:
        name: Name of the row.
        status: ``'done'``, ``'published'``, or ``'failed'`` or ``'not run'`` if a seed
            has no result; such a row has no means.
        by_seed: mIoU or status of every seed, empty if published.
        class_ious: IoU of every class, None if a seed has none; strings may be among
            published ones.
        columns: Values of the study's additional columns.
        miou: Mean IoU.
        std: Sample standard deviation of mIoU, None for one seed.
        interval: t-interval of mIoU, None for one seed.
        gain: Difference in mIoU to the baseline.
        gap_closed: Share of the gap between baseline and oracle, in percent.
        difference: Difference to the reference, None for the reference itself.
        versions: Versions of the package that trained it.
        iterations: Iterations of the training by seed, None if unknown.
        commits: Commit of the package by seed, '' if unknown.
        outdated: Whether a result has other overrides than the study has now.
    """

    name: str
    status: str
    by_seed: tuple[float | str, ...] = ()
    class_ious: Mapping[str, float | None] = field(default_factory=dict)
    columns: Mapping[str, float | str | None] = field(default_factory=dict)
    miou: float | None = None
    std: float | None = None
    interval: Interval | None = None
    gain: float | None = None
    gap_closed: float | None = None
    difference: Difference | None = None
    versions: tuple[str, ...] = ()
    iterations: Mapping[int, int | None] = field(default_factory=dict)
    commits: Mapping[int, str] = field(default_factory=dict)
    outdated: bool = False

    def mious(self) -> list[float]:
        """Return the mIoU of every seed that has a result."""
        return [value for value in self.by_seed if not isinstance(value, str)]


# Complete rows by name. A study may name no baseline: None, which finds no row.
Complete = Mapping[str | None, Summary]


def summarize(
    study: Study,
    seeds: Sequence[int],
    results: Results,
    comparisons: Comparisons | None = None,
) -> list[Summary]:
    """Summarize the lines of the table: each row, followed by its published figures.

    Args:
        study: The study.
        seeds: Seeds of the table.
        results: Results by (row, seed).
        comparisons: Tests over images, by default computed anew.

    Raises:
        InputError: The pixel counts of two runs are of different images, or a class of
            the study is not among those of the test.
    """
    measured = [
        _summarize_row(study, row, seeds, {} if row.is_open else results)
        for row in study.measured()
    ]
    complete: Complete = {row.name: row for row in measured if row.status == 'done'}
    compare = partial(
        _compare,
        study,
        complete=complete,
        seeds=seeds,
        results=results,
        tests=comparisons or Comparisons(),
    )
    lines = {row.name: compare(row) for row in measured}
    found = [(lines.get(row.name), _published(study, row)) for row in study.rows]
    return [line for pair in found for line in pair if line]


def _summarize_row(
    study: Study, row: Row, seeds: Sequence[int], results: Results
) -> Summary:
    found = {seed: results.get((row.name, seed), Result('not run')) for seed in seeds}
    by_seed = tuple(
        table_miou(study, result.metrics) if result.status == 'done' else result.status
        for result in found.values()
    )
    mious = [value for value in by_seed if not isinstance(value, str)]
    failed = 'failed' if 'failed' in by_seed else 'not run'
    done = {seed: result for seed, result in found.items() if result.status == 'done'}
    summary = Summary(
        row.name,
        'done' if len(mious) == len(seeds) else failed,
        by_seed,
        versions=tuple(sorted({r.version for r in done.values() if r.version})),
        iterations={seed: result.iterations for seed, result in done.items()},
        commits={seed: result.commit for seed, result in done.items()},
        outdated=any(_is_outdated(study, row, s, r) for s, r in done.items()),
    )
    if summary.status != 'done':
        return summary
    return replace(
        summary,
        class_ious=_mean_by_class([_class_ious(study, r) for r in done.values()]),
        columns={
            column.name: _figure(column, done.values()) for column in study.columns
        },
        miou=fmean(mious),
        std=deviation(mious),
        interval=t_interval(mious),
    )


def _is_outdated(study: Study, row: Row, seed: int, result: Result) -> bool:
    noted = result.line.get('overrides')
    now = json.loads(json.dumps(study.overrides(row, seed), default=str))
    return noted is not None and noted != now


def deviation(values: Sequence[float]) -> float | None:
    """Return the standard deviation, None for one value."""
    if len(values) < 2:
        return None
    return math.nan if any(map(math.isnan, values)) else stdev(values)


def _class_ious(study: Study, result: Result) -> dict[str, float]:
    return {
        name: _class_iou(result.metrics, name)
        for name in study.classes or result.class_ious()
    }


def table_miou(study: Study, metrics: Mapping[str, float]) -> float:
    """Return the mIoU in percent over the classes of the table."""
    return _mean_iou(metrics, study.classes) if study.classes else metrics['mIoU']


def _mean_iou(metrics: Mapping[str, float], classes: Sequence[str]) -> float:
    ious = [_class_iou(metrics, name) for name in classes]
    # A class in neither the labels nor the predictions is left out of the mean.
    known = [iou for iou in ious if not math.isnan(iou)]
    return fmean(known) if known else math.nan


def _class_iou(metrics: Mapping[str, float], name: str) -> float:
    try:
        return metrics[f'IoU.{name}']
    except KeyError:
        raise InputError(
            f'study.classes: {name!r} is not a class of the test; remove it'
        ) from None


def _mean_by_class(ious: Sequence[Mapping[str, float]]) -> dict[str, float | None]:
    names = dict.fromkeys(name for iou in ious for name in iou)
    return {name: _mean([iou.get(name) for iou in ious]) for name in names}


def _mean(values: Sequence[float | None]) -> float | None:
    """Return the mean, None if a value is absent."""
    known = [value for value in values if value is not None]
    return fmean(known) if len(known) == len(values) else None


def _figure(column: Column, results: Iterable[Result]) -> float | None:
    if column.classes:
        return fmean(_mean_iou(r.metrics, column.classes) for r in results)
    mean = _mean([r.metrics.get(column.key, r.final.get(column.key)) for r in results])
    return None if mean is None else column.scale * mean


def _published(study: Study, row: Row) -> Summary | None:
    if row.name not in study.published:
        return None
    # Papers also print figures such as '+5 %', which are shown as they are.
    figures: dict[str, Any] = dict(study.published[row.name])
    miou = figures.pop('mIoU', None)
    columns = {c.name: figures.pop(c.name, None) for c in study.columns}
    return Summary(row.name, 'published', (), figures, columns, miou=miou)


def _compare(
    study: Study,
    row: Summary,
    complete: Complete,
    seeds: Sequence[int],
    results: Results,
    tests: Comparisons,
) -> Summary:
    if row.name not in complete:
        return row
    row = _compare_bounds(row, complete.get(study.baseline), complete.get(study.oracle))
    reference = complete.get(study.reference)
    if reference is None or reference.name == row.name:
        return row
    found = _difference(study, row, reference, seeds, results, tests)
    return replace(row, difference=found)


def _compare_bounds(
    row: Summary, baseline: Summary | None, oracle: Summary | None
) -> Summary:
    if baseline is None:
        return row
    low = fmean(baseline.mious())
    gain = fmean(row.mious()) - low
    # An oracle that is no better than the baseline leaves no gap to close.
    gap = fmean(oracle.mious()) - low if oracle else 0.0
    return replace(row, gain=gain, gap_closed=100 * gain / gap if gap > 0 else None)


def _difference(
    study: Study,
    row: Summary,
    reference: Summary,
    seeds: Sequence[int],
    results: Results,
    tests: Comparisons,
) -> Difference:
    pairs = zip(row.mious(), reference.mious(), strict=True)
    gains = [ours - theirs for ours, theirs in pairs]
    found = Difference(fmean(gains), t_interval(gains))
    names = (row.name, reference.name)
    files = [[results[name, seed].per_image for seed in seeds] for name in names]
    paths = [[path for path in row_files if path] for row_files in files]
    if paths != files:
        return found
    ours, theirs = paths
    test = tests.compare(ours, theirs, tuple(row.class_ious), study.block_length)
    return replace(found, over_images=test.interval, p_value=test.p_value)
