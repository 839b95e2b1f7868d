"""The supervised loss of a head, computed without a device synchronisation."""

from __future__ import annotations

from typing import Any

import torch
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.losses import CrossEntropyLoss
from torch import Tensor, nn

from cfcontra_mm.losses.ranks import mean_over_ranks


def supervised_loss(
    head: BaseDecodeHead,
    logits: Tensor,
    labels: Tensor,
    weights: Tensor | None = None,
) -> dict[str, Tensor]:
    """Compute the same losses as mmseg's ``loss_by_feat``, of logits at label size.

    mmseg synchronises with the device twice, to count the labelled pixels for the mean
    and for the accuracy; this function does not. A cross-entropy that is averaged over
    the labelled pixels is averaged over those of all ranks.

    Args:
        head: Head with its ``loss_decode``, ``sampler`` and ``ignore_index``.
        logits: Logits of the head, (N, C, H, W).
        labels: Class of each pixel, (N, H, W), int64.
        weights: Weight of each pixel's loss, (N, H, W). With weights, the mean of a
            cross-entropy is over all pixels, including ignored ones, as in DACS
            (Tranheden et al., WACV 2021) and later methods.

    Returns:
        Each loss by its ``loss_name``, and the accuracy in percent as ``acc_seg``.
    """
    average_all = weights is not None
    if head.sampler is not None:
        sampled = head.sampler.sample(logits, labels[:, None])
        weights = sampled if weights is None else weights * sampled
    losses: dict[str, Tensor] = {}
    for criterion in criteria_of(head):
        options = dict(weight=weights, ignore_index=head.ignore_index)
        if isinstance(criterion, CrossEntropyLoss) and criterion.reduction == 'mean':
            options |= _average(criterion, logits, labels, average_all, head)
        loss = criterion(logits, labels, **options)
        name = criterion.loss_name
        losses[name] = losses[name] + loss if name in losses else loss
    return losses | dict(acc_seg=pixel_accuracy(logits, labels, head.ignore_index))


def criteria_of(head: BaseDecodeHead) -> list[Any]:
    """Return the losses of a head, one or several."""
    criteria = head.loss_decode
    return [*criteria] if isinstance(criteria, nn.ModuleList) else [criteria]


def _average(
    criterion: CrossEntropyLoss,
    logits: Tensor,
    labels: Tensor,
    average_all: bool,
    head: BaseDecodeHead,
) -> dict[str, Tensor | int]:
    """Return the divisor of a cross-entropy that mmseg would synchronise to find."""
    if average_all:
        return dict(avg_factor=labels.numel())
    if criterion.use_sigmoid or criterion.use_mask:
        return {}
    labelled = labels != head.ignore_index
    if criterion.class_weight is not None:
        of_classes = logits.new_tensor(criterion.class_weight, dtype=torch.float32)
        of_pixels = of_classes[labels.where(labelled, 0)]
        return dict(avg_factor=mean_over_ranks(of_pixels.where(labelled, 0).sum()))
    if criterion.avg_non_ignore:
        return dict(avg_factor=mean_over_ranks(labelled.sum()))
    return {}


@torch.no_grad()
def pixel_accuracy(logits: Tensor, labels: Tensor, ignore_index: int) -> Tensor:
    """Compute the percentage of labelled pixels that are classified correctly."""
    labelled = labels != ignore_index
    right = (logits.argmax(dim=1) == labels) & labelled
    return 100 * right.sum() / labelled.sum().clamp(min=1)
