"""Accuracy of pseudo-labels (CFContra Table 4)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.evaluator import BaseMetric
from mmseg.registry import METRICS
from torch.nn.functional import interpolate

IGNORE = 255


@METRICS.register_module()
class PseudoLabelAccuracy(BaseMetric):
    """Share of labelled pixels with a pseudo-label, and accuracy of pseudo-labels.

    Reads ``pseudo_sem_seg`` of the predictions, at any size; without it there are no
    values.
    """

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Count the pixels of each image."""
        for sample in data_samples:
            if 'pseudo_sem_seg' in sample:
                truth = sample['gt_sem_seg']['data'][0].cpu()
                pseudo = sample['pseudo_sem_seg']['data'].cpu()
                self.results.append(_counts(pseudo, truth))
            else:
                self.results.append((0, 0, 0))

    def compute_metrics(self, results: list[tuple[int, int, int]]) -> dict[str, float]:
        """Compute the percentages ``pseudo_acc`` and ``pseudo_share``."""
        pixels, assigned, right = (sum(column) for column in zip(*results, strict=True))
        if not pixels:
            return {}
        return dict(
            pseudo_acc=round(100 * right / max(assigned, 1), 2),
            pseudo_share=round(100 * assigned / pixels, 2),
        )


def _counts(pseudo: torch.Tensor, truth: torch.Tensor) -> tuple[int, int, int]:
    """Count labelled pixels, those with a pseudo-label, those with the right one."""
    pseudo = interpolate(pseudo[None].float(), truth.shape)[0, 0].long()
    labelled = truth != IGNORE
    assigned = labelled & (pseudo != IGNORE)
    right = assigned & (pseudo == truth)
    return int(labelled.sum()), int(assigned.sum()), int(right.sum())
