"""IoU by class and by the subsets of classes that papers score."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from mmseg.evaluation import IoUMetric
from mmseg.registry import METRICS


@METRICS.register_module()
class DomainIoUMetric(IoUMetric):
    """mmseg's ``IoUMetric`` with the IoU of each class and of subsets of classes.

    Args:
        subsets: Names of the classes of each further mean, by the mean's name.
            SYNTHIA's papers score 16 and 13 of the 19 classes.
        **kwargs: As for ``IoUMetric``.
    """

    def __init__(self, subsets: dict[str, Sequence[str]] | None = None, **kwargs):
        super().__init__(**kwargs)
        self.subsets = subsets or {}

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Percentages: mIoU, aAcc, mAcc, each subset's mean and ``IoU.<class>``.

        A class that neither the labels nor the predictions hold is NaN, and no part of
        a mean.
        """
        metrics = super().compute_metrics(results)
        if self.format_only:
            return metrics
        intersect, union = (
            sum(areas) for areas in list(zip(*results, strict=True))[:2]
        )
        with np.errstate(invalid='ignore'):
            iou = 100 * intersect.numpy() / union.numpy()
        by_class = dict(zip(self.dataset_meta['classes'], iou.tolist(), strict=True))
        for name, classes in self.subsets.items():
            metrics[name] = float(np.nanmean([by_class[c] for c in classes]))
        return metrics | {f'IoU.{c}': round(v, 2) for c, v in by_class.items()}
