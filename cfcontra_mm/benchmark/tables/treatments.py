"""The statistics of batch normalisation under which a row was tested.

A test measures the mIoU of the table, the headline, under one treatment, and may
measure it under the other one too: with the running statistics of the training, or with
statistics that were estimated on target images.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, stdev

from cfcontra_mm.benchmark.results.results_file import Result

RUNNING, TARGET = 'running statistics', 'target statistics'
PREFIXES = {TARGET: 'target_statistics/', RUNNING: 'running_statistics/'}
IMAGES, LAYERS = 'statistics/images', 'statistics/layers'
NO_LAYERS = 'no BatchNorm'


@dataclass(frozen=True)
class Measurement:
    """What the seeds of a row have under one treatment.

    Args:
        mious: mIoU in percent of each seed.
        files: Files of the pixel counts, one per seed; empty if one is missing.
        class_ious: IoU of every class, mean over seeds, None if a seed has none.
    """

    mious: tuple[float, ...]
    files: tuple[Path, ...] = ()
    class_ious: Mapping[str, float | None] = field(default_factory=dict, compare=False)

    @property
    def mean(self) -> float:
        return fmean(self.mious)

    @property
    def std(self) -> float | None:
        """Sample standard deviation over seeds, None for one seed."""
        return deviation(self.mious)


@dataclass(frozen=True)
class Treatment:
    """How the batch normalisation of a row was treated.

    Args:
        headline: The treatment of the mIoU, in words.
        name: ``TARGET``, ``RUNNING`` or, for a network without batch normalisation,
            ``NO_LAYERS``.
        measured: What was measured under ``TARGET`` and ``RUNNING``, as far as every
            seed has it. Without batch normalisation both are the same.
    """

    headline: str = RUNNING
    name: str = RUNNING
    measured: Mapping[str, Measurement] = field(default_factory=dict)

    @property
    def other(self) -> str:
        """Name of the treatment that is not the headline's, '' if it is not known."""
        if self.name == NO_LAYERS:
            return ''
        return next((name for name in self.measured if name != self.name), '')

    def under(self, common: Treatment) -> Measurement | None:
        """Return what was measured under another row's treatment, if it was."""
        name = TARGET if common.name == NO_LAYERS else common.name
        return self.measured.get(name)


def headline(results: Sequence[Result]) -> str:
    """Return the treatment of the mIoU in words; it should be that of all seeds."""
    return ' and '.join(dict.fromkeys(_headline(r.metrics) for r in results))


def _headline(metrics: Mapping[str, float]) -> str:
    name = treatment_of(metrics)
    images = metrics.get(IMAGES, 0)
    return f'statistics of {images:.0f} target images' if name == TARGET else name


def treatment_of(metrics: Mapping[str, float]) -> str:
    """Return the name of the treatment that the mIoU of a test was measured under."""
    if metrics.get(LAYERS) == 0:
        return NO_LAYERS
    return TARGET if metrics.get(IMAGES) else RUNNING


def metrics_under(treatment: str, result: Result) -> Mapping[str, float]:
    """Return the metrics of a test under a treatment; without mIoU if it lacks it.

    Args:
        treatment: ``TARGET`` or ``RUNNING``.
        result: The result.
    """
    if is_headline(treatment, result):
        return result.metrics
    prefix = PREFIXES[treatment]
    return {
        key.removeprefix(prefix): value
        for key, value in result.metrics.items()
        if key.startswith(prefix)
    }


def counts_under(treatment: str, result: Result) -> Path | None:
    """Return the file of a result's pixel counts under a treatment, if there is one."""
    headline = is_headline(treatment, result)
    return result.per_image if headline else result.per_image_other


def is_headline(treatment: str, result: Result) -> bool:
    """Tell whether the mIoU was measured under a treatment, or none matters to it."""
    return treatment_of(result.metrics) in (treatment, NO_LAYERS)


def common_treatment(judged: Treatment, rows: Iterable[Treatment]) -> Treatment:
    """Return the treatment under which rows are compared with one of them.

    Args:
        judged: That of the row that all are compared with.
        rows: Those of all rows.

    Returns:
        That of this row or, if it has no batch normalisation, of the first that has.
    """
    with_layers = (found for found in (judged, *rows) if found.name != NO_LAYERS)
    return next(with_layers, judged)


def deviation(values: Sequence[float]) -> float | None:
    """Return the standard deviation, None for one value."""
    if len(values) < 2:
        return None
    return math.nan if any(map(math.isnan, values)) else stdev(values)
