"""Discrepancy of two classifiers (CLAN, Luo et al., CVPR 2019)."""

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from cfcontra_mm.old_names import old_attributes


def disagreement_map(first: Tensor, second: Tensor) -> Tensor:
    r"""Compute the cosine distance of two predictions at each pixel.

    .. math:: 1 - \cos(p_1, p_2), \quad p_i = \mathrm{softmax}(s_i)

    Args:
        first: Scores of one classifier before the softmax, (N, C, H, W).
        second: Scores of the other classifier, of the same shape.

    Returns:
        Float32 map (N, 1, H, W) in [0, 1]; 0 where the predictions agree.
    """
    p1, p2 = (logits.float().softmax(dim=1) for logits in (first, second))
    return 1 - cosine_similarity(p1, p2, dim=1)[:, None]


def weight_similarity(first: Iterable[Tensor], second: Iterable[Tensor]) -> Tensor:
    r"""Compute the cosine similarity of two classifiers' parameters, plus 1 (eq. 5).

    .. math:: \frac{\langle w_1, w_2 \rangle}{\|w_1\| \|w_2\|} + 1

    Args:
        first: Parameters of one classifier, which are concatenated to one vector.
        second: Parameters of the other classifier.

    Returns:
        Float32 scalar in [0, 2]; 0 for opposite vectors.
    """
    w1, w2 = (
        torch.cat([parameter.flatten() for parameter in parameters]).float()
        for parameters in (first, second)
    )
    return cosine_similarity(w1, w2, dim=0) + 1


__getattr__ = old_attributes(__name__)
