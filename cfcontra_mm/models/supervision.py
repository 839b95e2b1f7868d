"""The supervised loss of a head, computed without waiting for the device."""

from __future__ import annotations

import torch
from mmseg.models.losses import CrossEntropyLoss
from torch import Tensor, nn


def supervised_loss(
    head: nn.Module, logits: Tensor, labels: Tensor, weights: Tensor | None = None
) -> dict[str, Tensor]:
    """Compute what mmseg's ``loss_by_feat`` does, of logits at label size.

    The values are the same. mmseg's own waits twice for the device, to count the
    labelled pixels for the mean and for the accuracy.

    Args:
        head: Head whose ``loss_decode``, ``sampler`` and ``ignore_index`` count.
        logits: Its logits, (N, C, H, W).
        labels: Class of each pixel, (N, H, W), int64.
        weights: Weight of each pixel's loss, (N, H, W). With weights the mean of a
            cross-entropy is over all pixels, ignored ones too, as in DACS
            (Tranheden et al., WACV 2021) and the methods after it.

    Returns:
        Each loss by its ``loss_name``, and the accuracy in percent as ``acc_seg``.
    """
    average_all = weights is not None
    if head.sampler is not None:
        sampled = head.sampler.sample(logits, labels[:, None])
        weights = sampled if weights is None else weights * sampled
    criteria = head.loss_decode
    if not isinstance(criteria, nn.ModuleList):
        criteria = [criteria]
    losses: dict[str, Tensor] = {}
    for criterion in criteria:
        options = dict(weight=weights, ignore_index=head.ignore_index)
        if isinstance(criterion, CrossEntropyLoss) and criterion.reduction == 'mean':
            options |= _average(criterion, logits, labels, average_all, head)
        loss = criterion(logits, labels, **options)
        name = criterion.loss_name
        losses[name] = losses[name] + loss if name in losses else loss
    return losses | dict(acc_seg=pixel_accuracy(logits, labels, head.ignore_index))


def _average(
    criterion: CrossEntropyLoss,
    logits: Tensor,
    labels: Tensor,
    average_all: bool,
    head: nn.Module,
) -> dict[str, Tensor | int]:
    """What a cross-entropy divides by, unless it finds that without waiting."""
    if average_all:
        return dict(avg_factor=labels.numel())
    if criterion.use_sigmoid or criterion.use_mask:
        return {}
    labelled = labels != head.ignore_index
    if criterion.class_weight is not None:
        of_classes = logits.new_tensor(criterion.class_weight, dtype=torch.float32)
        of_pixels = of_classes[labels.where(labelled, 0)]
        return dict(avg_factor=of_pixels.where(labelled, 0).sum())
    return dict(avg_factor=labelled.sum()) if criterion.avg_non_ignore else {}


@torch.no_grad()
def pixel_accuracy(logits: Tensor, labels: Tensor, ignore_index: int) -> Tensor:
    """Percentage of the labelled pixels whose class has the highest logit."""
    labelled = labels != ignore_index
    right = (logits.argmax(dim=1) == labels) & labelled
    return 100 * right.sum() / labelled.sum().clamp(min=1)
