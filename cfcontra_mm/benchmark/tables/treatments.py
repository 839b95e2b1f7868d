"""The statistics of batch normalisation under which a row was tested.

A test measures the mIoU of the table, the headline, under one treatment, and may
measure it under the other one too: with the running statistics of the training, or with
statistics that were estimated on target images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cfcontra_mm.benchmark.results.results_file import Result

RUNNING, TARGET = 'running statistics', 'target statistics'
PREFIXES = {RUNNING: 'running_statistics/', TARGET: 'target_statistics/'}
IMAGES, LAYERS = 'statistics/images', 'statistics/layers'
NO_LAYERS = 'no BatchNorm'


@dataclass(frozen=True)
class Treatment:
    """How the batch normalisation of a row was treated.

    Args:
        headline: The treatment of the mIoU, in words.
        other: Name of the other treatment, '' if the row lacks it.
        miou: mIoU in percent under the other treatment, mean over seeds.
        std: Its sample standard deviation, None for one seed.
    """

    headline: str = RUNNING
    other: str = ''
    miou: float | None = None
    std: float | None = None


def headline(results: Sequence[Result]) -> str:
    """Return the treatment of the mIoU in words; it should be that of all seeds."""
    return ' and '.join(dict.fromkeys(_headline(r.metrics) for r in results))


def _headline(metrics: Mapping[str, float]) -> str:
    if metrics.get(LAYERS) == 0:
        return NO_LAYERS
    images = metrics.get(IMAGES, 0)
    return f'statistics of {images:.0f} target images' if images else RUNNING


def other_metrics(
    results: Sequence[Result],
) -> tuple[str, list[dict[str, float]]]:
    """Return the other treatment that all seeds were tested under too.

    Returns:
        Its name, and the metrics of each seed by the names of the headline's; '' and []
        if a seed lacks it.
    """
    for name, prefix in PREFIXES.items():
        found = [_below(prefix, result.metrics) for result in results]
        if all('mIoU' in metrics for metrics in found):
            return name, found
    return '', []


def _below(prefix: str, metrics: Mapping[str, float]) -> dict[str, float]:
    return {
        key.removeprefix(prefix): value
        for key, value in metrics.items()
        if key.startswith(prefix)
    }
