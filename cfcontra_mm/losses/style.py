"""Content and style of a translated picture (CFContra, eqs. 6-7)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor


class Statistics(NamedTuple):
    """What style is taken to be: mean and deviation of every channel.

    Attributes:
        mean: (N, C, 1, 1).
        std: (N, C, 1, 1), positive.
    """

    mean: Tensor
    std: Tensor


def channel_statistics(features: Tensor, eps: float = 1e-5) -> Statistics:
    """Mean and standard deviation of every channel over the picture.

    The variance is the unbiased one, as in the published AdaIN; that of a single
    pixel is zero.

    Args:
        features: (N, C, H, W), any dtype; the result is float32 at least.
        eps: Added to the variance.
    """
    features = features.float() if features.dtype.itemsize < 4 else features
    correction = min(1, features[0, 0].numel() - 1)
    variance, mean = torch.var_mean(
        features, dim=(2, 3), correction=correction, keepdim=True
    )
    return Statistics(mean, (variance + eps).sqrt())


def content_loss(translated: Tensor, wanted: Tensor) -> Tensor:
    """How far a picture's features are from those it was decoded from (eq. 6).

    Args:
        translated: Features of the translated picture, (N, C, H, W).
        wanted: The content's features in the style's statistics, (N, C, H, W).

    Returns:
        Mean over all values of the squared difference.
    """
    return F.mse_loss(translated.float(), wanted.float())


def style_loss(translated: Sequence[Tensor], style: Sequence[Tensor]) -> Tensor:
    """How far a picture's style is from the one wanted (eq. 7, of every layer).

    Args:
        translated: Features of the translated picture at each layer, (N, C, H, W).
        style: The style picture's; their heights and widths may be others.

    Returns:
        Half the squared differences of means and deviations, averaged over channels
        and pictures, summed over layers.
    """
    terms = [
        F.mse_loss(found, wanted)
        for ours, theirs in zip(translated, style, strict=True)
        for found, wanted in zip(
            channel_statistics(ours), channel_statistics(theirs), strict=True
        )
    ]
    return sum(terms) / 2
