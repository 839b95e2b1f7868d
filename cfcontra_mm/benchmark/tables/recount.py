"""Check results against the pixel counts that they were computed from."""

from __future__ import annotations

import math
from collections.abc import Mapping

from cfcontra_mm.benchmark.results.results_file import Result
from cfcontra_mm.errors import InputError

from .statistics import mean_iou, read_pixel_counts
from .treatments import RUNNING, TARGET, counts_under, metrics_under

ROUNDED = 0.01
"""What mIoU in percent may differ by, as results have two decimals."""


def check_counts(results: Mapping[tuple[str, int], Result]) -> None:
    """Check every mIoU of results, under both treatments of batch normalisation.

    Args:
        results: Results by (row, seed); those that failed are ignored.

    Raises:
        InputError: The pixel counts of a result are missing, or give another mIoU.
    """
    for (row, seed), result in results.items():
        for treatment in (TARGET, RUNNING) if result.status == 'done' else ():
            _check(f'{row} seed {seed}, {treatment}', treatment, result)


def _check(where: str, treatment: str, result: Result) -> None:
    noted = metrics_under(treatment, result).get('mIoU')
    if noted is None:
        return
    path = counts_under(treatment, result)
    if path is None:
        raise InputError(f'{where}: has no pixel counts; restore per_image/')
    counts = read_pixel_counts([path], [*result.class_ious()])
    found = float(mean_iou(counts.intersection.sum(1), counts.union.sum(1))[0])
    if math.isnan(found) and math.isnan(noted):
        return
    if not abs(found - noted) <= ROUNDED:
        raise InputError(
            f'{where}: mIoU is {noted:.2f}, but {found:.2f} by {path}; restore both'
        )
