"""Images made of two: the classes of one pasted onto another (ClassMix, DACS)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmseg.structures import SegDataSample
from torch import Tensor

from cfcontra_mm.datasets.domain import draw_for_images

LABEL_VALUES = 256


def class_mix_mask(labels: Tensor, data_samples: Sequence[SegDataSample]) -> Tensor:
    """Choose half of the classes of each image, rounded up (Olsson et al., WACV 2021).

    Pixels without a class, 255, count as one, as in the code of DACS. Each image's
    choice follows from its own draw.

    Args:
        labels: Class of each pixel, (N, H, W), int64 in 0-255.
        data_samples: The images' samples.

    Returns:
        Where a chosen class is, (N, H, W), bool.
    """
    chosen = _half_of_classes(labels.flatten(1), data_samples)
    return chosen.gather(1, labels.flatten(1)).view_as(labels)


def _half_of_classes(labels: Tensor, data_samples: Sequence[SegDataSample]) -> Tensor:
    """The classes that are chosen of labels (N, P): (N, 256), bool."""
    present = torch.zeros(len(labels), LABEL_VALUES, device=labels.device).bool()
    present = present.scatter(1, labels, True)
    # Ranks of random numbers: no list of classes, for which a GPU would be waited for.
    lots = draw_for_images(
        data_samples, lambda: torch.rand(LABEL_VALUES, device='cpu')
    ).to(labels.device, non_blocking=True)
    ranks = lots.where(present, 2.0).argsort(dim=1).argsort(dim=1)
    half = (present.sum(dim=1, keepdim=True) + 1) // 2
    return present & (ranks < half)


def paste(mask: Tensor, foreground: Tensor, background: Tensor) -> Tensor:
    """Foreground where the mask (N, H, W) is true, else background.

    Args:
        mask: Bool.
        foreground: Images (N, C, H, W), or maps (N, H, W).
        background: The same.
    """
    return torch.where(
        mask[:, None] if foreground.ndim == 4 else mask, foreground, background
    )
