"""AdaptSegNet: adversarial adaptation of the output space (Tsai et al., CVPR 2018)."""

from __future__ import annotations

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn

from cfcontra_mm.losses import SOURCE, TARGET
from cfcontra_mm.models.discriminator import FCDiscriminator

from .base import DomainView, UDASegmentor
from .old_settings import of_each_head


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
        loss_adversarial: Loss :math:`\ell` of each head by the head's name, configs of
            ``GANLoss``; published weights :math:`\lambda_h`: 1e-3 for 'decode', 2e-4
            for 'aux'.
        adversarial_weights: Old name of the weights.
        gan: Old name of their ``gan_type``.
        **kwargs: As for mmseg's ``EncoderDecoder``.

    Raises:
        InputError: A loss for a head that the network has not.
    """

    own_settings = ('optim_wrapper.constructor', 'optim_wrapper.discriminator')

    def __init__(
        self,
        loss_adversarial: dict[str, dict] | None = None,
        adversarial_weights: dict[str, float] | None = None,
        gan: str | None = None,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        losses = of_each_head(
            'loss_adversarial',
            loss_adversarial,
            'GANLoss',
            adversarial_weights=adversarial_weights,
        )
        if gan is not None:
            losses = {k: dict(loss, gan_type=gan) for k, loss in losses.items()}
        self.loss_adversarial = self.build_losses('loss_adversarial', losses)
        # Drawn aside: a seed starts every method's network from the same weights.
        with torch.random.fork_rng(devices=[]):
            self.discriminators = nn.ModuleDict(
                {
                    name: FCDiscriminator(self.num_classes)
                    for name in self.loss_adversarial
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
            loss = self.loss_adversarial[name]
            seen = loss(discriminator(maps), SOURCE, is_disc=True)
            losses[f'{name}.loss_disc'] = seen / 2
        return losses

    def target_losses(self, target: DomainView) -> dict[str, Tensor]:
        """Adversarial losses of the network, and the discriminators' own."""
        losses = {}
        for name, discriminator in self.discriminators.items():
            maps = self.discriminator_input(target.logits[name])
            loss = self.loss_adversarial[name]
            fooled = loss(discriminator.frozen(maps), SOURCE)
            caught = loss(discriminator(maps.detach()), TARGET, is_disc=True)
            losses[f'{name}.{loss.loss_name}'] = fooled
            losses[f'{name}.loss_disc'] = caught / 2
        return losses
