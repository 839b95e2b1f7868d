"""Summarize results as the numbers of a table."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import Any

from cfcontra_mm.benchmark.results.results_file import Result
from cfcontra_mm.benchmark.study import Column, Row, Study
from cfcontra_mm.benchmark.study.search import own_weights
from cfcontra_mm.errors import InputError

from .comparisons import Comparisons, ImageTest
from .statistics import Interval, holm, t_interval, t_test
from .treatments import (
    RUNNING,
    TARGET,
    Measurement,
    Treatment,
    common_treatment,
    counts_under,
    deviation,
    headline,
    metrics_under,
    treatment_of,
)

Results = Mapping[tuple[str, int], Result]
# What an adjusted p-value must be below for a mark.
SIGNIFICANCE = 0.05
# From so many seeds on, an interval over them that excludes zero is enough.
ENOUGH_SEEDS = 5
# Fewer seeds than these say too little for any mark.
FEWEST_SEEDS = 3
# Share of the gradient in percent below which a term of the loss does nothing.
WEAK_SHARE = 1.0


@dataclass(frozen=True)
class Difference:
    """Difference in mIoU between a row and the reference, in percentage points.

    Args:
        mean: Mean over seeds.
        over_seeds: Paired t-interval over seeds, None for one seed.
        over_images: Test over images, None without their pixel counts.
        p_adjusted: The larger p-value, over images or over seeds, adjusted by Holm for
            the rows of the table; None without pixel counts, and for a row that shares
            its runs with the reference.
        seeds: Number of seeds.
        p_over_seeds: p-value of the paired t-test over seeds, None for one seed.
    """

    mean: float
    over_seeds: Interval | None
    over_images: ImageTest | None = None
    p_adjusted: float | None = None
    seeds: int = 1
    p_over_seeds: float | None = None

    @property
    def significant(self) -> bool:
        """Whether the row differs beyond chance over images and over seeds.

        Both intervals exclude zero and the adjusted p-value is below
        ``SIGNIFICANCE``. With fewer than ``ENOUGH_SEEDS`` seeds, the interval over
        seeds is also at least half its width away from zero. With fewer than
        ``FEWEST_SEEDS``, no difference is significant.
        """
        seeds, images, p_value = self.over_seeds, self.over_images, self.p_adjusted
        if seeds is None or images is None or p_value is None:
            return False
        if self.seeds < FEWEST_SEEDS:
            return False
        beyond_chance = p_value < SIGNIFICANCE and images.interval.excludes_zero()
        return beyond_chance and seeds.excludes_zero() and self._is_clear(seeds)

    def _is_clear(self, interval: Interval) -> bool:
        nearer_end = min(abs(interval.low), abs(interval.high))
        half_width = (interval.high - interval.low) / 2
        return self.seeds >= ENOUGH_SEEDS or nearer_end >= half_width


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
        gain: Difference in mIoU to the baseline, under its treatment.
        gap_closed: Share of the gap between baseline and oracle, in percent, likewise.
        difference: Difference to the reference, under its treatment; None for the
            reference itself, and for a row that was not measured so.
        versions: Versions of the package that trained it.
        iterations: Iterations of the training by seed, None if unknown.
        commits: Commit of the package by seed, '' if unknown.
        outdated: Whether a result has other overrides than the study has now.
        treatment: Statistics of the batch normalisation in its tests.
        weak_terms: Largest share of the gradient in percent by term of the loss, for
            terms that stay below ``WEAK_SHARE`` in every seed; none for a control,
            whose weights are 0.
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
    treatment: Treatment = field(default_factory=Treatment)
    weak_terms: Mapping[str, float] = field(default_factory=dict)


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
    found = _differences(study, complete, comparisons or Comparisons())
    bases = compared_with(study.baseline, complete)
    lines = {}
    for row in measured:
        if row.name in bases:
            row = _compare_bounds(row, study.baseline, study.oracle, bases)
        lines[row.name] = replace(row, difference=found.get(row.name))
    pairs = [(lines.get(row.name), _published(study, row)) for row in study.rows]
    return [line for pair in pairs for line in pair if line]


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
        class_ious=_mean_by_class(
            [_class_ious(study, r.metrics) for r in done.values()]
        ),
        columns={
            column.name: _figure(column, done.values()) for column in study.columns
        },
        miou=fmean(mious),
        std=deviation(mious),
        interval=t_interval(mious),
        treatment=_treatment(study, [*done.values()]),
        weak_terms=_weak_terms([*done.values()]),
    )


def _treatment(study: Study, results: Sequence[Result]) -> Treatment:
    found = {name: _measurement(study, name, results) for name in (TARGET, RUNNING)}
    measured = {name: each for name, each in found.items() if each}
    return Treatment(headline(results), treatment_of(results[0].metrics), measured)


def _measurement(
    study: Study, treatment: str, results: Sequence[Result]
) -> Measurement | None:
    metrics = [metrics_under(treatment, result) for result in results]
    if not all('mIoU' in seed for seed in metrics):
        return None
    files = [path for r in results if (path := counts_under(treatment, r))]
    return Measurement(
        tuple(table_miou(study, seed) for seed in metrics),
        tuple(files) if len(files) == len(results) else (),
        _mean_by_class([_class_ious(study, seed) for seed in metrics]),
    )


def _weak_terms(results: Sequence[Result]) -> dict[str, float]:
    if any(map(_is_control, results)):
        return {}
    shares = [result.line.get('loss_shares') or {} for result in results]
    common = [term for term in shares[0] if all(term in seed for seed in shares)]
    largest = {term: max(seed[term] for seed in shares) for term in common}
    return {term: share for term, share in largest.items() if share < WEAK_SHARE}


def _is_control(result: Result) -> bool:
    """Tell whether every loss of the method had weight 0, as is meant for a control."""
    settings = result.line.get('resolved_config') or {}
    weights = own_weights(settings.get('model') or {})
    return bool(weights) and not any(weights.values())


def _is_outdated(study: Study, row: Row, seed: int, result: Result) -> bool:
    noted = result.line.get('overrides')
    now = json.loads(json.dumps(study.overrides(row, seed), default=str))
    return noted is not None and noted != now


def _class_ious(study: Study, metrics: Mapping[str, float]) -> dict[str, float]:
    known = [key.removeprefix('IoU.') for key in metrics if key.startswith('IoU.')]
    return {name: _class_iou(metrics, name) for name in study.classes or known}


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


def compared_with(
    name: str | None, rows: Mapping[Any, Summary]
) -> dict[str, Measurement]:
    """Return what is compared with a row: measurements under one treatment.

    Args:
        name: Name of the row.
        rows: Complete rows by name.

    Returns:
        The measurements of the rows that have them, by name; {} without the row.
    """
    if name not in rows:
        return {}
    common = compared_under(name, rows)
    found = {row.name: row.treatment.under(common) for row in rows.values()}
    measured = {row: each for row, each in found.items() if each}
    return measured if name in measured else {}


def compared_under(name: str | None, rows: Mapping[Any, Summary]) -> Treatment:
    """Return the treatment under which complete rows are compared with one of them."""
    treatments = (row.treatment for row in rows.values())
    return common_treatment(rows[name].treatment, treatments)


def _compare_bounds(
    row: Summary,
    baseline: str | None,
    oracle: str | None,
    measured: Mapping[Any, Measurement],
) -> Summary:
    low = measured[baseline].mean
    gain = measured[row.name].mean - low
    # An oracle that is no better than the baseline leaves no gap to close.
    gap = measured[oracle].mean - low if oracle in measured else 0.0
    return replace(row, gain=gain, gap_closed=100 * gain / gap if gap > 0 else None)


def _differences(
    study: Study, complete: Complete, tests: Comparisons
) -> dict[str, Difference]:
    """Compare every complete row with the reference; the result is by row."""
    measured = compared_with(study.reference, complete)
    if not measured:
        return {}
    reference = measured.pop(study.reference or '')
    found = {name: _over_seeds(row, reference) for name, row in measured.items()}
    theirs = reference.files
    files = {n: row.files for n, row in measured.items() if theirs and row.files}
    classes = {name: tuple(complete[name].class_ious) for name in files}
    # One length for the whole table, so that all rows are tested on the same blocks.
    length = study.block_length or max(
        (tests.block_length(files[n], theirs, classes[n]) for n in files), default=1
    )
    for name in files:
        test = tests.compare(files[name], theirs, classes[name], length)
        found[name] = replace(found[name], over_images=test)
    return adjust_p_values(found)


def _over_seeds(row: Measurement, reference: Measurement) -> Difference:
    pairs = zip(row.mious, reference.mious, strict=True)
    gains = [ours - theirs for ours, theirs in pairs]
    interval = t_interval(gains, figures=2)
    return Difference(
        fmean(gains), interval, p_over_seeds=t_test(gains), seeds=len(gains)
    )


def adjust_p_values(found: Mapping[str, Difference]) -> dict[str, Difference]:
    """Adjust the larger p-value of each row for the number of rows that are tested."""
    raw = {
        name: max(difference.over_images.p_value, difference.p_over_seeds or 0.0)
        for name, difference in found.items()
        if difference.over_images and not _is_shared(difference.over_images)
    }
    adjusted = dict(zip(raw, holm([*raw.values()]), strict=True))
    return {
        name: replace(difference, p_adjusted=adjusted.get(name))
        for name, difference in found.items()
    }


def _is_shared(test: ImageTest) -> bool:
    """Tell whether the row's runs are the reference's: nothing is tested."""
    return test.interval == (0, 0)
