"""Colour jitter and blur of the images made in a training step, as in DACS."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from mmseg.structures import SegDataSample
from torch import Tensor

from cfcontra_mm.datasets.domain import seeded_as

NO_JITTER, NO_BLUR = 0.2, 0.5
"""Probabilities of a step without colour jitter and of one without blur."""

SIGMAS = (0.15, 1.15)
"""Range of the blur's standard deviation, in pixels."""


def strong_augmentation(
    images: Tensor,
    data_samples: Sequence[SegDataSample],
    mean: Tensor,
    std: Tensor,
    strength: float = 0.25,
) -> Tensor:
    """Jitter the colours of normalised images in 80 % of steps, blur them in 50 %.

    As in the code of DACS (``utils/transformsgpu.py``), whether to jitter and to blur
    is drawn once for all images of a step. The strengths and the order of the changes
    are drawn for each image, under its own seed.

    Args:
        images: Normalised images, (N, 3, H, W).
        data_samples: The images' samples.
        mean: Channel means of the normalisation, (3, 1, 1), for values in 0-255.
        std: Channel deviations of the normalisation, (3, 1, 1).
        strength: Strength of the jitter, see :func:`jitter_colors`; 0.25 in DACS.

    Returns:
        The augmented images, normalised, (N, 3, H, W).
    """
    jitter, blur = random.random() > NO_JITTER, random.random() > NO_BLUR
    augmented = []
    for image, sample in zip(images, data_samples, strict=True):
        with seeded_as(sample):
            if jitter:
                colors = jitter_colors((image * std + mean) / 255, strength)
                image = (colors * 255 - mean) / std
            if blur:
                image = gaussian_blur(image, random.uniform(*SIGMAS))
        augmented.append(image)
    return torch.stack(augmented)


def jitter_colors(image: Tensor, strength: float) -> Tensor:
    """Change brightness, contrast, saturation and hue, in a random order.

    The arithmetic is that of kornia 0.5, which DACS and its successors used, and
    differs from torchvision's: brightness adds a constant, contrast scales all values
    without subtracting their mean, saturation scales S of HSV, and hue shifts H.

    Args:
        image: RGB, (3, H, W), in [0, 1].
        strength: Factors are drawn from 1 - strength to 1 + strength, the shift of the
            hue from -strength to strength, in turns of the colour circle.

    Returns:
        The image, (3, H, W), in [0, 1].
    """
    brightness, contrast, saturation = (
        random.uniform(1 - strength, 1 + strength) for _ in range(3)
    )
    hue = random.uniform(-strength, strength)
    changes = [
        lambda x: (x + brightness - 1).clamp(0, 1),
        lambda x: (x * contrast).clamp(0, 1),
        lambda x: _change_hsv(x, saturation=saturation),
        lambda x: _change_hsv(x, turns=hue),
    ]
    for change in random.sample(changes, len(changes)):
        image = change(image)
    return image


def _change_hsv(image: Tensor, saturation: float = 1.0, turns: float = 0.0) -> Tensor:
    """Scale the saturation and turn the hue of an image (3, H, W) in [0, 1]."""
    value, lowest = image.amax(dim=0), image.amin(dim=0)
    chroma = value - lowest
    span = chroma.where(chroma > 0, 1)
    red, green, blue = image
    # In sixths of a turn, measured from the largest channel.
    hue = torch.where(
        value == red,
        (green - blue) / span,
        torch.where(value == green, 2 + (blue - red) / span, 4 + (red - green) / span),
    )
    chroma = torch.minimum(chroma * saturation, value)
    # HSV to RGB: the further the hue is from a channel's own, the more chroma it loses.
    offsets = torch.tensor([5.0, 3.0, 1.0]).view(3, 1, 1)
    place = (offsets.to(image, non_blocking=True) + hue + 6 * turns) % 6
    return value - chroma * torch.minimum(place, 4 - place).clamp(0, 1)


def gaussian_blur(image: Tensor, sigma: float) -> Tensor:
    """Blur an image with a Gaussian, reflecting it at the border.

    Args:
        image: (C, H, W).
        sigma: Standard deviation in pixels. The kernel reaches ``5 * sigma`` pixels,
            or less in an image that is smaller than that.

    Returns:
        The blurred image, (C, H, W).
    """
    radius = min(math.ceil(5 * sigma), *(side - 1 for side in image.shape[1:]))
    weights = [math.exp(-((i / sigma) ** 2) / 2) for i in range(-radius, radius + 1)]
    kernel = torch.tensor(weights, dtype=torch.float64)
    kernel = (kernel / kernel.sum()).to(image, non_blocking=True)
    padded = F.pad(image[:, None], (radius,) * 4, mode='reflect')
    # Not in half precision, which would round the grey levels of the image.
    with torch.autocast(image.device.type, enabled=False):
        across = F.conv2d(padded, kernel.view(1, 1, 1, -1))
        return F.conv2d(across, kernel.view(1, 1, -1, 1))[:, 0]
