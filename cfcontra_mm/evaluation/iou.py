"""IoU by class and by the subsets of classes that papers score."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from mmseg.evaluation import IoUMetric
from mmseg.registry import METRICS

from cfcontra_mm.errors import InputError


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

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Count the pixels of each image.

        Raises:
            InputError: A subset names a class that the data set has not.
        """
        classes = self.dataset_meta['classes']
        unknown = set().union(*self.subsets.values()) - set(classes)
        if unknown:
            raise InputError(
                f'evaluator.subsets: {", ".join(sorted(unknown))} is none of the '
                f'classes {", ".join(classes)}'
            )
        super().process(data_batch, data_samples)

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
            mean = np.nanmean([by_class[c] for c in classes])
            metrics[name] = round(float(mean), 2)
        return metrics | {f'IoU.{c}': round(v, 2) for c, v in by_class.items()}
