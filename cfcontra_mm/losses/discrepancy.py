"""How far two classifiers disagree (CLAN, Luo et al., CVPR 2019)."""

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity


def disagreement_map(first: Tensor, second: Tensor) -> Tensor:
    r"""Cosine distance of two predictions at each pixel, ``1 - cos(p1, p2)``.

    Args:
        first: Scores of one classifier before the softmax, (N, C, H, W).
        second: Scores of the other.

    Returns:
        Float32 map (N, 1, H, W) in [0, 1]; 0 where both predict the same.
    """
    p1, p2 = (logits.float().softmax(dim=1) for logits in (first, second))
    return 1 - cosine_similarity(p1, p2, dim=1)[:, None]


def weight_divergence(first: Iterable[Tensor], second: Iterable[Tensor]) -> Tensor:
    r"""Likeness of two classifiers' parameters, each as one vector.

    .. math:: \frac{\langle w_1, w_2 \rangle}{\|w_1\| \|w_2\|} + 1

    Returns:
        Float32 scalar in [0, 2]; 0 where they point in opposite directions.
    """
    w1, w2 = (
        torch.cat([parameter.flatten() for parameter in parameters]).float()
        for parameters in (first, second)
    )
    return cosine_similarity(w1, w2, dim=0) + 1
