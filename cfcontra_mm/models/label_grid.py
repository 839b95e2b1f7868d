"""Labels at the size of a feature map."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def labels_on_grid(
    labels: Tensor, size: Sequence[int], align_corners: bool = True
) -> Tensor:
    """Take the label of each cell of a feature map at the place of its feature.

    In a network that upsamples its logits with aligned corners, feature i of n lies at
    pixel i (L - 1) / (n - 1) of L, otherwise at (i + 0.5) L / n - 0.5. Nearest
    interpolation would read pixel floor(i L / n).

    Args:
        labels: Class of each pixel, (N, H, W).
        size: Height h and width w of the feature map.
        align_corners: How the network upsamples its logits.

    Returns:
        Labels (N, h, w).
    """
    rows, columns = (
        _places(length, number, align_corners, labels.device)
        for length, number in zip(labels.shape[1:], size, strict=True)
    )
    return labels[:, rows[:, None], columns]


def _places(
    length: int, number: int, align_corners: bool, device: torch.device
) -> Tensor:
    """Return the pixels, of a row of some length, at which the features lie."""
    half = 0.0 if align_corners else (length / number - 1) / 2
    first, last = half, length - 1 - half
    places = torch.linspace(first, last, number, dtype=torch.float64, device=device)
    return places.round().long()
