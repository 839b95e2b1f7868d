"""Losses of a discriminator's scores, for either player of the game."""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

SOURCE = 0.0
"""Label of the source; the segmentation network wants its target to get it too."""

TARGET = 1.0
"""Label of the target."""


def vanilla_gan_loss(
    scores: Tensor, label: float, weight: Tensor | float = 1.0
) -> Tensor:
    r"""Binary cross-entropy of a discriminator's scores (Goodfellow et al., 2014).

    .. math:: -\overline{w [z \log \sigma(s) + (1 - z) \log (1 - \sigma(s))]}

    Args:
        scores: Scores s before the sigmoid, any shape.
        label: Label z that each score is to have.
        weight: Weight w of each score, of a shape that broadcasts with theirs.

    Returns:
        Mean over the scores, in float32; in float64 where they are.
    """
    scores = _precise(scores)
    loss = binary_cross_entropy_with_logits(
        scores, torch.full_like(scores, label), reduction='none'
    )
    return (weight * loss).mean()


def least_squares_gan_loss(
    scores: Tensor, label: float, weight: Tensor | float = 1.0
) -> Tensor:
    r"""Squared distance of a discriminator's scores to a label (Mao et al., ICCV 2017).

    .. math:: \overline{w (s - z)^2}

    Args:
        scores: Scores s as they are, any shape.
        label: Label z that each score is to have.
        weight: Weight w of each score, of a shape that broadcasts with theirs.

    Returns:
        Mean over the scores, in float32; in float64 where they are.
    """
    return (weight * (_precise(scores) - label).square()).mean()


def _precise(scores: Tensor) -> Tensor:
    return scores.to(torch.promote_types(scores.dtype, torch.float32))
