"""Adversarial losses of a discriminator's scores, for both players of the game."""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

SOURCE = 0.0
"""Domain label of the source, which the generator wants the target to get too."""

TARGET = 1.0
"""Domain label of the target."""


def vanilla_gan_loss(
    scores: Tensor, label: float, weight: Tensor | float = 1.0
) -> Tensor:
    r"""Compute the binary cross-entropy of scores (Goodfellow et al., NeurIPS 2014).

    .. math:: -\overline{w [z \log \sigma(s) + (1 - z) \log (1 - \sigma(s))]}

    Args:
        scores: A discriminator's scores s before the sigmoid, of any shape.
        label: Domain label z, ``SOURCE`` or ``TARGET``, that the scores should have.
        weight: Weight w of each score, broadcast to the shape of the scores.

    Returns:
        Scalar, the mean over the scores; float64 if the scores are, else float32.
    """
    scores = _at_least_float32(scores)
    loss = binary_cross_entropy_with_logits(
        scores, torch.full_like(scores, label), reduction='none'
    )
    return (weight * loss).mean()


def least_squares_gan_loss(
    scores: Tensor, label: float, weight: Tensor | float = 1.0
) -> Tensor:
    r"""Compute the squared distance of scores to a label (Mao et al., ICCV 2017).

    .. math:: \overline{w (s - z)^2}

    Args:
        scores: A discriminator's scores s, without a sigmoid, of any shape.
        label: Domain label z, ``SOURCE`` or ``TARGET``, that the scores should have.
        weight: Weight w of each score, broadcast to the shape of the scores.

    Returns:
        Scalar, the mean over the scores; float64 if the scores are, else float32.
    """
    return (weight * (_at_least_float32(scores) - label).square()).mean()


def _at_least_float32(scores: Tensor) -> Tensor:
    return scores.to(torch.promote_types(scores.dtype, torch.float32))
