"""Results to the numbers of a table."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean, stdev

from cfcontra_mm.benchmark.results.results_file import Result
from cfcontra_mm.benchmark.study import Column, Row, Study
from cfcontra_mm.errors import InputError

from .statistics import (
    Interval,
    bootstrap_interval,
    permutation_p_value,
    read_pixel_counts,
    t_interval,
)

Results = Mapping[tuple[str, int], Result]


@dataclass(frozen=True)
class Difference:
    """A row's mIoU above the reference's.

    Args:
        mean: Mean over seeds.
        over_seeds: Paired t-interval, None for one seed.
        over_images: Bootstrap interval, None without pixel counts of every image.
        p_value: Of the paired permutation over images, None as well.
    """

    mean: float
    over_seeds: Interval | None
    over_images: Interval | None = None
    p_value: float | None = None

    @property
    def significant(self) -> bool:
        """Whether it is beyond the chance of the images and of the seeds.

        One seed cannot tell a method from the luck of its training.
        """
        intervals = (self.over_seeds, self.over_images)
        return all(interval and interval.excludes_zero() for interval in intervals)


@dataclass(frozen=True)
class Summary:
    """One line of the table; IoU in percent, means over the seeds.

    Args:
        name: Heading of the row.
        status: 'done', 'published', or 'failed' or 'not run' if a seed has no result;
            such a row has no means.
        by_seed: mIoU or the status of every seed, nothing if published.
        class_ious: IoU of every class.
        columns: The study's further figures.
        miou: Mean IoU.
        std: Sample standard deviation of mIoU, None for one seed.
        interval: t-interval of mIoU, None for one seed.
        gain: mIoU above the baseline's.
        gap_closed: Share of the way from the baseline to the oracle, in percent.
        difference: From the reference, None for itself.
        versions: Versions of the package that trained it.
    """

    name: str
    status: str
    by_seed: tuple[float | str, ...] = ()
    class_ious: Mapping[str, float] = field(default_factory=dict)
    columns: Mapping[str, float | str | None] = field(default_factory=dict)
    miou: float | None = None
    std: float | None = None
    interval: Interval | None = None
    gain: float | None = None
    gap_closed: float | None = None
    difference: Difference | None = None
    versions: tuple[str, ...] = ()


def summarize(study: Study, seeds: Sequence[int], results: Results) -> list[Summary]:
    """The lines of the table: every row of the study, then what was published of it.

    Args:
        study: The study.
        seeds: Seeds of the table.
        results: Results by (row, seed).

    Raises:
        InputError: Pixel counts of two runs are not of the same images.
    """
    measured = [_summarize_row(study, row, seeds, results) for row in study.measured()]
    complete = {row.name: row for row in measured if row.status == 'done'}
    lines = {
        row.name: _compare(study, row, complete, seeds, results) for row in measured
    }
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
    versions = tuple(sorted({r.version for r in found.values() if r.version}))
    missing = [value for value in by_seed if isinstance(value, str)]
    if missing:
        status = 'failed' if 'failed' in missing else 'not run'
        return Summary(row.name, status, by_seed, versions=versions)
    return Summary(
        row.name,
        'done',
        by_seed,
        _mean_by_class([_class_ious(study, result) for result in found.values()]),
        {column.name: _figure(column, found.values()) for column in study.columns},
        miou=fmean(by_seed),
        std=stdev(by_seed) if len(by_seed) > 1 else None,
        interval=t_interval(by_seed),
        versions=versions,
    )


def _class_ious(study: Study, result: Result) -> dict[str, float]:
    return {
        name: _class_iou(result.metrics, name)
        for name in study.classes or result.class_ious()
    }


def table_miou(study: Study, metrics: Mapping[str, float]) -> float:
    """MIoU over the classes of the table, in percent, of a test or a validation."""
    return _mean_iou(metrics, study.classes) if study.classes else metrics['mIoU']


def _mean_iou(metrics: Mapping[str, float], classes: Sequence[str]) -> float:
    ious = [_class_iou(metrics, name) for name in classes]
    # A class that neither the labels nor the predictions hold is no part of a mean.
    return fmean(iou for iou in ious if not math.isnan(iou))


def _class_iou(metrics: Mapping[str, float], name: str) -> float:
    try:
        return metrics[f'IoU.{name}']
    except KeyError:
        raise InputError(
            f'study.classes: {name!r} is no class of the test; leave it out'
        ) from None


def _mean_by_class(ious: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: fmean(iou[name] for iou in ious) for name in ious[0]}


def _figure(column: Column, results: Iterable[Result]) -> float | None:
    if column.classes:
        return fmean(_mean_iou(r.metrics, column.classes) for r in results)
    values = [r.metrics.get(column.key, r.final.get(column.key)) for r in results]
    return None if None in values else column.scale * fmean(values)


def _published(study: Study, row: Row) -> Summary | None:
    if row.name not in study.published:
        return None
    figures = dict(study.published[row.name])
    miou = figures.pop('mIoU', None)
    columns = {c.name: figures.pop(c.name, None) for c in study.columns}
    return Summary(row.name, 'published', (), figures, columns, miou=miou)


def _compare(
    study: Study,
    row: Summary,
    complete: Mapping[str, Summary],
    seeds: Sequence[int],
    results: Results,
) -> Summary:
    if row.name not in complete:
        return row
    row = _compare_bounds(row, complete.get(study.baseline), complete.get(study.oracle))
    reference = complete.get(study.reference)
    if reference is None or reference.name == row.name:
        return row
    return replace(row, difference=_difference(study, row, reference, seeds, results))


def _compare_bounds(
    row: Summary, baseline: Summary | None, oracle: Summary | None
) -> Summary:
    if baseline is None:
        return row
    gain = row.miou - baseline.miou
    # An oracle that is no better than the baseline leaves no gap to close.
    gap = oracle.miou - baseline.miou if oracle else 0.0
    return replace(row, gain=gain, gap_closed=100 * gain / gap if gap > 0 else None)


def _difference(
    study: Study,
    row: Summary,
    reference: Summary,
    seeds: Sequence[int],
    results: Results,
) -> Difference:
    pairs = zip(row.by_seed, reference.by_seed, strict=True)
    gains = [ours - theirs for ours, theirs in pairs]
    found = Difference(fmean(gains), t_interval(gains))
    paths = [
        [results[name, seed].per_image for seed in seeds]
        for name in (row.name, reference.name)
    ]
    if None in (*paths[0], *paths[1]):
        return found
    classes = tuple(row.class_ious)
    counts = [read_pixel_counts(p, classes, study.block_length) for p in paths]
    return replace(
        found,
        over_images=bootstrap_interval(*counts),
        p_value=permutation_p_value(*counts),
    )
