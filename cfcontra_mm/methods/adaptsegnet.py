"""AdaptSegNet: output space adaptation (Tsai et al., CVPR 2018)."""

from __future__ import annotations

from typing import Any, cast

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn

from cfcontra_mm.losses import SOURCE, TARGET
from cfcontra_mm.models.discriminator import FCDiscriminator

from .base import DomainView, UDASegmentor
from .old_settings import apply_old_weights


@MODELS.register_module()
class AdaptSegNet(UDASegmentor):
    r"""Adversarial adaptation of the predictions, with a discriminator for each head.

    .. math::
        \min_G \quad & L_{CE}(x_s, y_s) + \sum_h \lambda_h \ell(D_h(P_h(x_t)), 0) \\
        \min_{D_h} \quad & \tfrac12 \ell(D_h(P_h(x_s)), 0)
            + \tfrac12 \ell(D_h(P_h(x_t)), 1)

    where :math:`P_h` is the softmax of head h at label size and :math:`\ell` the loss
    of a score against a domain label, 0 for the source. The multi-level variant adapts
    both heads, the single-level variant the main head alone.

    Differences from the published code, so that all methods share their conditions:
    a classifier sums all four dilations, where the published code returns after two;
    both domains are 1280x640, not 1280x720 and 1024x512; the weights start from
    ImageNet, not ImageNet and COCO; training stops at 120k iterations, not 150k; each
    parameter is listed once in its optimiser; the single-level variant has its own
    config.

    Args:
        loss_adversarial: Configs of ``GANLoss``, the loss :math:`\ell` of each head, by
            the head's name; published weights :math:`\lambda_h`: 1e-3 for
            ``'decode'``, 2e-4 for ``'aux'``.
        adversarial_weights: Old name of the weights of ``loss_adversarial``.
        gan: Old name of the ``gan_type`` of ``loss_adversarial``.
        **kwargs: As for mmseg's ``EncoderDecoder``.

    Raises:
        InputError: A loss is for a head that the network does not have.
    """

    own_settings = ('optim_wrapper.constructor', 'optim_wrapper.discriminator')

    def __init__(
        self,
        loss_adversarial: dict[str, dict] | None = None,
        adversarial_weights: dict[str, float] | None = None,
        gan: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        losses = apply_old_weights(
            'loss_adversarial',
            loss_adversarial,
            'GANLoss',
            adversarial_weights=adversarial_weights,
        )
        if gan is not None:
            losses = {k: dict(loss, gan_type=gan) for k, loss in losses.items()}
        self.loss_adversarial = self.build_losses('loss_adversarial', losses)
        # Forked, so that a seed starts every method's network from the same weights.
        with torch.random.fork_rng(devices=[]):
            self.discriminators = nn.ModuleDict(
                {
                    name: FCDiscriminator(self.num_classes)
                    for name in self.loss_adversarial
                }
            )

    def discriminator_input(self, logits: Tensor) -> Tensor:
        """Return the input of a discriminator: the softmax of logits (N, C, H, W)."""
        return logits.softmax(dim=1)

    def source_losses(self, source: DomainView) -> dict[str, Tensor]:
        """Compute supervised losses, and discriminator losses on the source."""
        losses = super().source_losses(source)
        for name, discriminator in self.discriminators.items():
            maps = self.discriminator_input(source.logits[name].detach())
            loss = self.loss_adversarial[name]
            loss_disc = loss(discriminator(maps), SOURCE, is_disc=True)
            losses[f'{name}.loss_disc'] = loss_disc / 2
        return losses

    def target_losses(self, target: DomainView) -> dict[str, Tensor]:
        """Compute adversarial losses, and discriminator losses on the target."""
        losses = {}
        for name, discriminator in self.discriminators.items():
            maps = self.discriminator_input(target.logits[name])
            loss = self.loss_adversarial[name]
            frozen = cast(FCDiscriminator, discriminator).frozen
            loss_adv = loss(frozen(maps), SOURCE)
            loss_disc = loss(discriminator(maps.detach()), TARGET, is_disc=True)
            losses[f'{name}.{loss.loss_name}'] = loss_adv
            losses[f'{name}.loss_disc'] = loss_disc / 2
        return losses
