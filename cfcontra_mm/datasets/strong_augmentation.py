"""Colour jitter and blur of the images that a step makes, as DACS has them."""

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
"""Shares of the steps without colour jitter and without blur."""

SIGMAS = (0.15, 1.15)
"""Range of the blur's deviation in pixels."""


def strong_augmentation(
    images: Tensor,
    data_samples: Sequence[SegDataSample],
    mean: Tensor,
    std: Tensor,
    strength: float = 0.25,
) -> Tensor:
    """Change the colours of normalised images in 80 % of steps, blur them in 50 %.

    Whether is drawn once a step; how much, and the order of the changes, for each image
    from its own draw. So does the code of DACS (``utils/transformsgpu.py``).

    Args:
        images: Normalised images, (N, 3, H, W).
        data_samples: The images' samples.
        mean: What was subtracted of each channel, (3, 1, 1).
        std: What each channel was divided by, (3, 1, 1).
        strength: Range of each change of colour; 0.25 in DACS.
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

    The arithmetic is that of kornia 0.5, with which DACS and its successors were
    published: brightness adds a number, contrast multiplies without a mean, saturation
    scales the S of HSV, hue turns its H. That of torchvision is another.

    Args:
        image: (3, H, W) in [0, 1].
        strength: Factors are drawn from 1 - strength to 1 + strength, the hue from
            -strength to strength turns.
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
    """An image (3, H, W) in [0, 1] with its saturation scaled and its hue turned."""
    value, lowest = image.amax(dim=0), image.amin(dim=0)
    chroma = value - lowest
    span = chroma.where(chroma > 0, 1)
    red, green, blue = image
    # In sixths of a turn, from whichever channel is the largest.
    hue = torch.where(
        value == red,
        (green - blue) / span,
        torch.where(value == green, 2 + (blue - red) / span, 4 + (red - green) / span),
    )
    chroma = torch.minimum(chroma * saturation, value)
    # Channel n is the value, less the chroma as far as the hue is from the channel's.
    offsets = torch.tensor([5.0, 3.0, 1.0]).view(3, 1, 1)
    place = (offsets.to(image, non_blocking=True) + hue + 6 * turns) % 6
    return value - chroma * torch.minimum(place, 4 - place).clamp(0, 1)


def gaussian_blur(image: Tensor, sigma: float) -> Tensor:
    """Blur an image (3, H, W), mirrored at its border.

    Args:
        image: Of more than ``3 * sigma`` pixels each way.
        sigma: Deviation in pixels.
    """
    radius = min(math.ceil(5 * sigma), *(side - 1 for side in image.shape[1:]))
    weights = [math.exp(-((i / sigma) ** 2) / 2) for i in range(-radius, radius + 1)]
    kernel = torch.tensor(weights, dtype=torch.float64)
    kernel = (kernel / kernel.sum()).to(image, non_blocking=True)
    padded = F.pad(image[:, None], (radius,) * 4, mode='reflect')
    # In mixed precision too: eight bits of a grey level are all of them.
    with torch.autocast(image.device.type, enabled=False):
        across = F.conv2d(padded, kernel.view(1, 1, 1, -1))
        return F.conv2d(across, kernel.view(1, 1, -1, 1))[:, 0]
