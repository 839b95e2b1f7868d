"""CLAN: category-level adversarial adaptation (Luo et al., CVPR 2019)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.utils import resize
from mmseg.registry import MODELS
from torch import Tensor, nn

from cfcontra_mm.losses import SOURCE, TARGET, disagreement_map, focal_loss
from cfcontra_mm.models.classifiers import (
    add_classifier,
    classifier_logits,
    classifier_parameters,
)
from cfcontra_mm.models.discriminator import FCDiscriminator

from .base import DomainInputs, DomainView, UDASegmentor, head_logits
from .old_settings import apply_old_settings
from .progress import progress

CLASSIFIERS = ('decode_1', 'decode_2')


@MODELS.register_module()
class CLAN(UDASegmentor):
    r"""Adversarial adaptation that is stronger where two classifiers disagree.

    .. math::
        \min_G \quad & L_{CE}(p_1, y_s) + L_{CE}(p_2, y_s)
            + 2 d \lambda_w (\cos(w_1, w_2) + 1)
            + d \lambda_{adv} \overline{a \, L_D(D(p(x_t)), 0)} \\
        \min_D \quad & \tfrac12 \overline{L_D(D(p(x_s)), 0)}
            + \tfrac12 \overline{a \, L_D(D(p(x_t)), 1)} \\
        & a = \epsilon + \lambda_{local} (1 - \cos(p_1(x_t), p_2(x_t)))

    where :math:`p_1, p_2` are the softmax of the two classifiers on conv5,
    p that of their summed logits, which is the prediction, :math:`w_1, w_2` their
    parameters, and d falls linearly from 1 to 0 during training. During warm-up a is 1.
    The weight a has a gradient in the loss of G and none in the loss of D. This class
    adds the second classifier: a second pyramid in a ``DLV2Head``, a second last layer
    in any other head.

    Differences from the published code, so that all methods share their conditions:
    the supervised loss is the cross-entropy, not a focal loss (``focal_gamma=2``);
    there is a classifier on conv4 with weight 0.1, as in every method; the losses of D
    are halved, to which Adam is invariant; images are neither mirrored nor scaled; both
    domains are 1280x640; the weights start from ImageNet, not ImageNet and COCO; the
    learning rate has no warm-up and decays over 250k iterations, and training stops at
    120k, where both are 100k in the published code; each parameter is listed once in
    its optimiser.

    Args:
        loss_adversarial: Config of the ``GANLoss`` :math:`L_D` with the weight
            :math:`\lambda_{adv}`; published: 1e-3.
        loss_discrepancy: Config of the ``WeightDiscrepancyLoss`` with the weight
            :math:`\lambda_w`; published: 0.01.
        local_weight: :math:`\lambda_{local}`; published: 40, for SYNTHIA 10.
        epsilon: :math:`\epsilon`; published: 0.4.
        warm_up: Share of the iterations in which all pixels have the same weight;
            published: 0.05.
        focal_gamma: Exponent of the focal loss that replaces the supervised loss of
            the classifiers; 0 for the cross-entropy.
        adversarial_weight: Old name of ``loss_adversarial.loss_weight``.
        divergence_weight: Old name of ``loss_discrepancy.loss_weight``.
        **kwargs: As for mmseg's ``EncoderDecoder``.

    Raises:
        InputError: The main head has no classifier to copy.
    """

    own_settings = ('optim_wrapper.constructor', 'optim_wrapper.discriminator')

    def __init__(
        self,
        local_weight: float,
        epsilon: float,
        warm_up: float,
        loss_adversarial: dict | None = None,
        loss_discrepancy: dict | None = None,
        focal_gamma: float = 0.0,
        adversarial_weight: float | None = None,
        divergence_weight: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        # Forked, so that a seed starts every method's network from the same weights.
        with torch.random.fork_rng(devices=[]):
            add_classifier(self.decode_head)
        loss_adversarial = apply_old_settings(
            'loss_adversarial',
            loss_adversarial,
            'GANLoss',
            adversarial_weight=('loss_weight', adversarial_weight),
        )
        loss_discrepancy = apply_old_settings(
            'loss_discrepancy',
            loss_discrepancy,
            'WeightDiscrepancyLoss',
            divergence_weight=('loss_weight', divergence_weight),
        )
        self.loss_adversarial = MODELS.build(loss_adversarial)
        self.loss_discrepancy = MODELS.build(loss_discrepancy)
        self.local_weight = local_weight
        self.epsilon = epsilon
        self.warm_up = warm_up
        self.focal_gamma = focal_gamma
        # Forked, so that a seed starts every method's network from the same weights.
        with torch.random.fork_rng(devices=[]):
            self.discriminators = nn.ModuleDict(
                dict(decode=FCDiscriminator(self.num_classes))
            )

    @property
    def heads(self) -> dict[str, BaseDecodeHead]:
        """The head of each classifier and the other heads, by name."""
        heads = super().heads
        return dict.fromkeys(CLASSIFIERS, heads.pop('decode')) | heads

    def view(self, inputs: DomainInputs) -> DomainView:
        """Run the backbone, both classifiers and the other heads on the images."""
        features, size = self.extract_feat(inputs.images), inputs.images.shape[2:]
        scores = classifier_logits(self.decode_head, features)
        align = self.decode_head.align_corners
        logits = {
            name: resize(maps, size, mode='bilinear', align_corners=align)
            for name, maps in zip(CLASSIFIERS, scores, strict=True)
        }
        if self.with_auxiliary_head:
            logits['aux'] = head_logits(self.auxiliary_head, features, size)
        return DomainView(inputs, features, logits)

    def source_losses(self, source: DomainView) -> dict[str, Tensor]:
        """Compute supervised losses, weight similarity and the discriminator loss."""
        losses = super().source_losses(source)
        if self.focal_gamma:
            labels = source.inputs.required_labels()
            for name in CLASSIFIERS:
                losses[f'{name}.loss_ce'] = focal_loss(
                    source.logits[name], labels, self.focal_gamma
                )
        w1, w2 = classifier_parameters(self.decode_head)
        similarity = self.loss_discrepancy(w1, w2, factor=2 * damping())
        scores = self._scores(
            self.discriminators['decode'], _prediction(source).detach()
        )
        loss_disc = self.loss_adversarial(scores, SOURCE, is_disc=True)
        return losses | {
            f'decode.{self.loss_discrepancy.loss_name}': similarity,
            'decode.loss_disc': loss_disc / 2,
        }

    def target_losses(self, target: DomainView) -> dict[str, Tensor]:
        """Compute the weighted adversarial loss and the discriminator loss."""
        discriminator = cast(FCDiscriminator, self.discriminators['decode'])
        maps = _prediction(target)
        weight, loss = self._pixel_weights(target), self.loss_adversarial
        scores = self._scores(discriminator.frozen, maps)
        loss_adv = loss(scores, SOURCE, weight, factor=damping())
        scores = self._scores(discriminator, maps.detach())
        loss_disc = loss(scores, TARGET, weight.detach(), is_disc=True)
        return {
            f'decode.{loss.loss_name}': loss_adv,
            'decode.loss_disc': loss_disc / 2,
        }

    def _pixel_weights(self, target: DomainView) -> Tensor:
        """Compute the weight a of each pixel's adversarial loss, (N, 1, H, W)."""
        distance = disagreement_map(*(target.logits[name] for name in CLASSIFIERS))
        if progress() < self.warm_up:
            return torch.ones_like(distance)
        return self.epsilon + self.local_weight * distance

    def _scores(
        self, discriminator: Callable[[Tensor], Tensor], maps: Tensor
    ) -> Tensor:
        """Compute a discriminator's scores at the size of the maps, (N, 1, H, W)."""
        return resize(
            discriminator(maps), maps.shape[2:], mode='bilinear', align_corners=True
        )


def _prediction(view: DomainView) -> Tensor:
    """Compute the probabilities (N, C, H, W) of the summed classifiers."""
    first, second = (view.logits[name] for name in CLASSIFIERS)
    return (first + second).softmax(dim=1)


def damping() -> float:
    """Return the factor d of a loss, which falls from 1 to 0 during training."""
    return 1 - progress()
