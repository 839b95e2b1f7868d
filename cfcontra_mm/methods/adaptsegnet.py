"""AdaptSegNet: adversarial adaptation of the output space (Tsai et al., CVPR 2018)."""

from __future__ import annotations

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn

from cfcontra_mm.errors import InputError
from cfcontra_mm.losses import (
    SOURCE,
    TARGET,
    least_squares_gan_loss,
    vanilla_gan_loss,
)
from cfcontra_mm.models.discriminator import FCDiscriminator

from .base import DomainInputs, DomainView, UDASegmentor

GAN_LOSSES = dict(vanilla=vanilla_gan_loss, lsgan=least_squares_gan_loss)


@MODELS.register_module()
class AdaptSegNet(UDASegmentor):
    r"""Makes the target's predictions look like the source's to a discriminator.

    .. math::
        \min_G \quad & L_{CE}(x_s, y_s) + \sum_h \lambda_h \ell(D_h(P_h(x_t)), 0) \\
        \min_{D_h} \quad & \tfrac12 \ell(D_h(P_h(x_s)), 0)
            + \tfrac12 \ell(D_h(P_h(x_t)), 1)

    where :math:`P_h` is the softmax of head h at label size and
    :math:`\ell` the loss of a score against a domain's label, 0 for the source. With
    both heads it is the multi-level variant, with the main one the single-level one.

    What differs from the published code, so that all methods share their conditions:
    all four dilations of a classifier act, where the published ones return after two;
    both domains are 1280x640, not 1280x720 and 1024x512; the start is ImageNet, not
    ImageNet and COCO; the stop is at 120k iterations, not 150k; each parameter is
    listed once in its optimiser; the single-level variant has its own config.

    Args:
        adversarial_weights: Weight :math:`\lambda_h` of each head's adversarial loss,
            by the head's name; published: 1e-3 for 'decode', 2e-4 for 'aux'.
        gan: Loss :math:`\ell`, 'vanilla' or 'lsgan'.
        **kwargs: As for mmseg's ``EncoderDecoder``.

    Raises:
        InputError: A weight for a head that the network has not, or an unknown loss.
    """

    def __init__(
        self, adversarial_weights: dict[str, float], gan: str = 'vanilla', **kwargs
    ) -> None:
        super().__init__(**kwargs)
        self.check_heads('adversarial_weights', adversarial_weights)
        if gan not in GAN_LOSSES:
            raise InputError(
                f'model.gan: {gan!r} is none of {", ".join(GAN_LOSSES)}; name one'
            )
        self.adversarial_weights = adversarial_weights
        self.gan_loss = GAN_LOSSES[gan]
        # Drawn aside: a seed starts every method's network from the same weights.
        with torch.random.fork_rng(devices=[]):
            self.discriminators = nn.ModuleDict(
                {
                    name: FCDiscriminator(self.num_classes)
                    for name in adversarial_weights
                }
            )

    def discriminator_input(self, logits: Tensor) -> Tensor:
        """What a discriminator sees of logits (N, C, H, W): their softmax."""
        return logits.softmax(dim=1)

    def source_losses(self, source: DomainView) -> dict[str, Tensor]:
        """Supervised losses, and each discriminator's on the source's predictions."""
        losses = super().source_losses(source)
        for name, discriminator in self.discriminators.items():
            maps = self.discriminator_input(source.logits[name].detach())
            losses[f'{name}.loss_disc'] = self.gan_loss(discriminator(maps), SOURCE) / 2
        return losses

    def target_losses(
        self, target: DomainView, source: DomainInputs
    ) -> dict[str, Tensor]:
        """Adversarial losses of the network, and the discriminators' own."""
        losses = {}
        for name, discriminator in self.discriminators.items():
            maps = self.discriminator_input(target.logits[name])
            fooled = self.gan_loss(discriminator.frozen(maps), SOURCE)
            caught = self.gan_loss(discriminator(maps.detach()), TARGET)
            losses[f'{name}.loss_adv'] = self.adversarial_weights[name] * fooled
            losses[f'{name}.loss_disc'] = caught / 2
        return losses
