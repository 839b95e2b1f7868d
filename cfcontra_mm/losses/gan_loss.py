"""A discriminator's game as a registered loss."""

from __future__ import annotations

from mmseg.registry import MODELS
from torch import Tensor

from cfcontra_mm.errors import InputError

from .adversarial import least_squares_gan_loss, vanilla_gan_loss
from .weighted import WeightedLoss

GAN_LOSSES = dict(vanilla=vanilla_gan_loss, lsgan=least_squares_gan_loss)


@MODELS.register_module()
class GANLoss(WeightedLoss):
    """Loss of a discriminator's scores, for either player of the game.

    Args:
        gan_type: 'vanilla', the binary cross-entropy, or 'lsgan', least squares.
        loss_weight: Factor of the generator's loss; the discriminator's has none.
        loss_name: Key of the generator's loss.

    Raises:
        InputError: ``gan_type`` is neither.
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
                f'GANLoss.gan_type: {gan_type!r} is none of {", ".join(GAN_LOSSES)}'
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
        """Mean loss of scores of any shape against a domain's label.

        Args:
            scores: Before the sigmoid.
            label: ``SOURCE`` or ``TARGET``.
            weight: Weight of each score.
            is_disc: Whether the discriminator is the player.
            factor: Of the generator's weight, where it fades in or out.
        """
        loss = self.loss(scores, label, weight)
        return loss if is_disc else factor * self.loss_weight * loss
