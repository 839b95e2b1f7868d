"""Mix images by pasting classes of one onto another (ClassMix, DACS)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmseg.structures import SegDataSample
from torch import Tensor

from cfcontra_mm.datasets.domain import draw_for_images

LABEL_VALUES = 256


def class_mix_mask(labels: Tensor, data_samples: Sequence[SegDataSample]) -> Tensor:
    """Choose half of the classes of each image, rounded up.

    ClassMix (Olsson et al., WACV 2021). The ignored label, 255, counts as a class, as
    in the code of DACS. The choice for each image depends on its draw alone.

    Args:
        labels: Class of each pixel, (N, H, W), int64 in 0-255.
        data_samples: The images' samples.

    Returns:
        True at the pixels of the chosen classes, (N, H, W), bool.
    """
    chosen = _half_of_classes(labels.flatten(1), data_samples)
    return chosen.gather(1, labels.flatten(1)).view_as(labels)


def _half_of_classes(labels: Tensor, data_samples: Sequence[SegDataSample]) -> Tensor:
    """Choose half of the classes in labels (N, P); return (N, 256), bool."""
    present = torch.zeros(len(labels), LABEL_VALUES, device=labels.device).bool()
    present = present.scatter(1, labels, True)
    # Ranking random numbers needs no list of classes, which would synchronise the GPU.
    lots = draw_for_images(
        data_samples, lambda: torch.rand(LABEL_VALUES, device='cpu')
    ).to(labels.device, non_blocking=True)
    ranks = lots.where(present, 2.0).argsort(dim=1).argsort(dim=1)
    half = (present.sum(dim=1, keepdim=True) + 1) // 2
    return present & (ranks < half)


def paste(mask: Tensor, foreground: Tensor, background: Tensor) -> Tensor:
    """Paste the masked pixels of one batch onto another.

    Args:
        mask: True where the foreground is taken, (N, H, W), bool.
        foreground: Images (N, C, H, W), or maps (N, H, W).
        background: Images or maps of the same shape.

    Returns:
        The mixed images or maps, of the same shape.
    """
    return torch.where(
        mask[:, None] if foreground.ndim == 4 else mask, foreground, background
    )
