"""Entropy of per-pixel predictions (CFContra eq. 2; ADVENT, Vu et al., CVPR 2019)."""

import math

from torch import Tensor


def weighted_self_information(logits: Tensor) -> Tensor:
    """Compute the weighted self-information ``-p log p / log C`` (ADVENT).

    Args:
        logits: Scores before the softmax, (N, C, H, W).

    Returns:
        Float32 map (N, C, H, W), non-negative; its sum over C is in [0, 1].
    """
    log_p = logits.float().log_softmax(dim=1)
    return -log_p.exp() * log_p / math.log(logits.shape[1])


def entropy_map(logits: Tensor) -> Tensor:
    r"""Compute each pixel's entropy, normalised by its maximum (CFContra eq. 2).

    .. math:: E^{(h,w)} = -\frac{1}{\log C} \sum_c P^{h,w,c} \log P^{h,w,c}

    Args:
        logits: Scores before the softmax, (N, C, H, W).

    Returns:
        Float32 map (N, H, W) in [0, 1]; 1 where all classes are equally likely.
    """
    return weighted_self_information(logits).sum(dim=1)
