"""The adversarial loss as a registered module."""

from __future__ import annotations

from mmseg.registry import MODELS
from torch import Tensor

from cfcontra_mm.errors import InputError

from .adversarial import least_squares_gan_loss, vanilla_gan_loss
from .weighted import WeightedLoss

GAN_LOSSES = dict(vanilla=vanilla_gan_loss, lsgan=least_squares_gan_loss)


@MODELS.register_module()
class GANLoss(WeightedLoss):
    """Adversarial loss of a discriminator's scores, for both players of the game.

    Args:
        gan_type: ``'vanilla'`` for the binary cross-entropy, ``'lsgan'`` for least
            squares.
        loss_weight: Factor of the generator's loss; the discriminator's loss has none.
        loss_name: Key of the generator's loss in the log.

    Raises:
        InputError: The ``gan_type`` is unknown.
    """

    def __init__(
        self,
        gan_type: str = 'vanilla',
        loss_weight: float = 1.0,
        loss_name: str = 'loss_adv',
    ) -> None:
        super().__init__(loss_weight, loss_name)
        if gan_type not in GAN_LOSSES:
            raise InputError(
                f'GANLoss.gan_type: unknown type {gan_type!r}; choose one of '
                f'{", ".join(GAN_LOSSES)}'
            )
        self.loss = GAN_LOSSES[gan_type]

    def forward(
        self,
        scores: Tensor,
        label: float,
        weight: Tensor | float = 1.0,
        is_disc: bool = False,
        factor: float = 1.0,
    ) -> Tensor:
        """Compute the mean loss of scores of any shape against a domain label.

        Args:
            scores: Scores of the discriminator, without a sigmoid.
            label: ``SOURCE`` or ``TARGET``.
            weight: Weight of each score, broadcast to the shape of the scores.
            is_disc: Whether this is the discriminator's loss, not the generator's.
            factor: Factor of the generator's weight, for a weight that changes in
                training.
        """
        loss = self.loss(scores, label, weight)
        return loss if is_disc else factor * self.loss_weight * loss
