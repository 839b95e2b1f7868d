"""IoU of each class and of the subsets of classes that papers score."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmseg.evaluation import IoUMetric
from mmseg.registry import METRICS

from cfcontra_mm.errors import InputError
from cfcontra_mm.files import whole_file

PER_IMAGE = 'per_image.npz'


@METRICS.register_module()
class DomainIoUMetric(IoUMetric):
    """mmseg's ``IoUMetric`` with the IoU of each class and of subsets of classes.

    If predictions are kept, ``per_image.npz`` is written beside them: ``names`` of the
    N images, ``classes`` (C,), and the pixels of each image and class as
    ``intersection`` and ``union``, int64 (N, C), so that a mean can be resampled over
    images.

    Args:
        subsets: Names of the classes of each further mean, by the mean's name: papers
            on SYNTHIA score 16 and 13 of the 19 classes.
        **kwargs: As for ``IoUMetric``.
    """

    def __init__(
        self, subsets: dict[str, Sequence[str]] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if self.output_dir is not None:
            # mmseg does so on the first rank alone, which may be later than others.
            Path(self.output_dir).mkdir(parents=True, exist_ok=True)
        self.subsets = subsets or {}

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Count the pixels of each image.

        Raises:
            InputError: A subset names a class that the data set does not have.
        """
        classes = self.dataset_meta['classes']
        unknown = set().union(*self.subsets.values()) - set(classes)
        if unknown:
            raise InputError(
                f'evaluator.subsets: unknown class {", ".join(sorted(unknown))}; '
                f'choose from {", ".join(classes)}'
            )
        before = len(self.results)
        super().process(data_batch, data_samples)
        self.results[before:] = [
            # In float64: summed over a split, float32 loses pixels.
            (*(area.double() for area in areas), Path(sample['img_path']).stem)
            for areas, sample in zip(self.results[before:], data_samples, strict=False)
        ]

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Compute percentages: mIoU, aAcc, mAcc, each subset's mean, ``IoU.<class>``.

        A class that neither the labels nor the predictions contain is NaN, and is left
        out of every mean.
        """
        metrics = super().compute_metrics([areas for *areas, _ in results])
        if self.format_only:
            return metrics
        intersection, union = (
            np.stack([row[column] for row in results]).astype(np.int64)
            for column in (0, 1)
        )
        if self.output_dir is not None:
            names = [name for *_, name in results]
            self._write_per_image(names, intersection, union)
        with np.errstate(invalid='ignore'):
            iou = 100 * intersection.sum(0) / union.sum(0)
        by_class = dict(zip(self.dataset_meta['classes'], iou.tolist(), strict=True))
        for name, classes in self.subsets.items():
            mean = np.nanmean([by_class[c] for c in classes])
            metrics[name] = round(float(mean), 2)
        return metrics | {f'IoU.{c}': round(v, 2) for c, v in by_class.items()}

    def _write_per_image(
        self, names: Sequence[str], intersection: np.ndarray, union: np.ndarray
    ) -> None:
        with whole_file(Path(self.output_dir, PER_IMAGE)) as temporary:
            np.savez_compressed(
                temporary,
                names=names,
                classes=self.dataset_meta['classes'],
                intersection=intersection,
                union=union,
            )
