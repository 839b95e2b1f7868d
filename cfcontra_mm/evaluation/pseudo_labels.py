"""Accuracy of pseudo-labels (CFContra Table 4)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.evaluator import BaseMetric
from mmseg.registry import METRICS

from cfcontra_mm.models.label_grid import labels_on_grid

IGNORE = 255
SOURCES = ('pseudo', 'center', 'classifier')


@METRICS.register_module()
class PseudoLabelAccuracy(BaseMetric):
    """Accuracy of a network's pseudo-labels, and their share of the pixels.

    The pixels are those of the feature map, each with the label at its place
    (:func:`~cfcontra_mm.models.label_grid.labels_on_grid`). Reads ``pseudo_sem_seg``
    of the predictions, and ``center_sem_seg`` and ``classifier_sem_seg``, which are
    measured on the pixels that have a pseudo-label. Without pseudo-labels there are no
    values. The prefix says that each batch was normalised by its own statistics as in
    training, whatever the statistics of the test.
    """

    default_prefix = 'training_mode'

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Count the pixels of each image."""
        for sample in data_samples:
            maps = [sample.get(f'{name}_sem_seg') for name in SOURCES]
            truth = sample['gt_sem_seg']['data'].cpu()
            found = [m['data'].cpu()[None] for m in maps if m is not None]
            self.results.append(_counts(found, truth))

    def compute_metrics(self, results: list[list[int]]) -> dict[str, float]:
        """Compute percentages.

        Returns:
            ``pseudo_acc``, ``center_acc`` and ``classifier_acc``, on the same pixels,
            and their share of the labelled ones, ``pseudo_share``.
        """
        counts = [result for result in results if result]
        if not counts:
            return {}
        pixels, assigned, *right = (sum(column) for column in zip(*counts, strict=True))
        values = {
            f'{name}_acc': round(100 * number / max(assigned, 1), 2)
            for name, number in zip(SOURCES, right, strict=False)
        }
        return values | dict(pseudo_share=round(100 * assigned / max(pixels, 1), 2))


def _counts(maps: Sequence[torch.Tensor], truth: torch.Tensor) -> list[int]:
    """Count labelled pixels, those with a pseudo-label, those with each right label.

    Args:
        maps: The pseudo-labels, then other labels of the same pixels, (1, 1, h, w)
            each; none for an image without.
        truth: Class of each pixel, (1, H, W).
    """
    if not maps:
        return []
    pseudo, *_ = (labels.flatten(0, 1) for labels in maps)
    true = labels_on_grid(truth, pseudo.shape[1:])
    labelled = true != IGNORE
    assigned = labelled & (pseudo != IGNORE)
    right = [int((assigned & (m.flatten(0, 1) == true)).sum()) for m in maps]
    return [int(labelled.sum()), int(assigned.sum()), *right]
