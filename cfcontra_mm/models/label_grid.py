"""Labels at the size of a feature map."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def labels_on_grid(labels: Tensor, size: Sequence[int]) -> Tensor:
    """Take the label of each cell of a feature map at the place of its feature.

    Feature i of n lies at pixel i (L - 1) / (n - 1) of L: the network upsamples its
    logits with aligned corners. Nearest interpolation would read pixel floor(i L / n).

    Args:
        labels: Class of each pixel, (N, H, W).
        size: Height h and width w of the feature map.

    Returns:
        Labels (N, h, w).
    """
    rows, columns = (
        torch.linspace(0, length - 1, number, dtype=torch.float64, device=labels.device)
        for length, number in zip(labels.shape[1:], size, strict=True)
    )
    return labels[:, rows.round().long()[:, None], columns.round().long()]
