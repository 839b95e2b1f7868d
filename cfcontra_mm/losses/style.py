"""Content and style of a translated image (CFContra eqs. 6-7)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor


class Statistics(NamedTuple):
    """Style of images: mean and standard deviation of every channel.

    Attributes:
        mean: Means, (N, C, 1, 1).
        std: Standard deviations, (N, C, 1, 1), positive.
    """

    mean: Tensor
    std: Tensor


def channel_statistics(features: Tensor, eps: float = 1e-5) -> Statistics:
    """Compute the mean and standard deviation of every channel over the image.

    The variance is unbiased, as in the published code of AdaIN, and zero for a single
    pixel.

    Args:
        features: Feature maps (N, C, H, W); those below float32 are converted to it.
        eps: Added to the variance.
    """
    features = features.float() if features.dtype.itemsize < 4 else features
    correction = min(1, features[0, 0].numel() - 1)
    variance, mean = torch.var_mean(
        features, dim=(2, 3), correction=correction, keepdim=True
    )
    return Statistics(mean, (variance + eps).sqrt())


def content_loss(translated: Tensor, wanted: Tensor) -> Tensor:
    """Compare an image's features with those that it was decoded from (eq. 6).

    Args:
        translated: Features of the translated image, (N, C, H, W).
        wanted: Features of the content with the statistics of the style, (N, C, H, W).

    Returns:
        Float32 scalar, the mean squared difference.
    """
    return F.mse_loss(translated.float(), wanted.float())


def style_loss(translated: Sequence[Tensor], style: Sequence[Tensor]) -> Tensor:
    """Compare an image's style with the wanted one at every layer (eq. 7).

    Args:
        translated: Features of the translated image at each layer, (N, C, H, W).
        style: Features of the style image at the same layers; their heights and widths
            may differ.

    Returns:
        Scalar: half the squared differences of means and standard deviations, averaged
        over channels and images, summed over layers.
    """
    terms = [
        F.mse_loss(found, wanted)
        for ours, theirs in zip(translated, style, strict=True)
        for found, wanted in zip(
            channel_statistics(ours), channel_statistics(theirs), strict=True
        )
    ]
    return reduce(torch.add, terms) / 2
