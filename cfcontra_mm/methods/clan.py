"""CLAN: category-level adversarial adaptation (Luo et al., CVPR 2019)."""

from __future__ import annotations

import torch
from mmengine.logging import MessageHub
from mmseg.models.utils import resize
from mmseg.registry import MODELS
from torch import Tensor, nn

from cfcontra_mm.errors import InputError
from cfcontra_mm.losses import (
    SOURCE,
    TARGET,
    disagreement_map,
    focal_loss,
    vanilla_gan_loss,
    weight_divergence,
)
from cfcontra_mm.models.discriminator import FCDiscriminator

from .base import DomainInputs, DomainView, UDASegmentor

CLASSIFIERS = ('decode_1', 'decode_2')


@MODELS.register_module()
class CLAN(UDASegmentor):
    r"""Aligns the domains the more strongly where two classifiers disagree.

    .. math::
        \min_G \quad & L_{CE}(p_1, y_s) + L_{CE}(p_2, y_s)
            + 2 d \lambda_w (\cos(w_1, w_2) + 1)
            + d \lambda_{adv} \overline{a \, L_D(D(p(x_t)), 0)} \\
        \min_D \quad & \tfrac12 \overline{L_D(D(p(x_s)), 0)}
            + \tfrac12 \overline{a \, L_D(D(p(x_t)), 1)} \\
        & a = \epsilon + \lambda_{local} (1 - \cos(p_1(x_t), p_2(x_t)))

    where :math:`p_1, p_2` are the softmax of the two classifiers on conv5,
    p that of their summed logits, which is the prediction, :math:`w_1, w_2` their
    parameters, and d falls from 1 to 0 over the training. Until the end of the warm-up
    a is 1. The weight a carries a gradient to the network and none to D. The
    classifiers are those of a ``DLV2Head(classifiers=2)``.

    What differs from the published code, so that all methods share their conditions:
    the supervised loss is the cross-entropy, not a focal loss (``focal_gamma=2``);
    there is a classifier on conv4 with weight 0.1, as in every method; D's losses are
    halved, which Adam does not feel; pictures are neither mirrored nor scaled; both
    domains are 1280x640; the start is ImageNet, not ImageNet and COCO; the learning
    rate is not warmed up, decays over 250k iterations and stops at 120k, not both at
    100k; each parameter is listed once in its optimiser.

    Args:
        adversarial_weight: :math:`\lambda_{adv}`; published: 1e-3.
        local_weight: :math:`\lambda_{local}`; published: 40, for SYNTHIA 10.
        epsilon: :math:`\epsilon`; published: 0.4.
        divergence_weight: :math:`\lambda_w`; published: 0.01.
        warm_up: Share of the training's iterations in which every pixel counts alike;
            published: 0.05.
        focal_gamma: Exponent of the focal loss that takes the place of the
            classifiers' supervised loss; 0 for the cross-entropy.
        **kwargs: As for mmseg's ``EncoderDecoder``.

    Raises:
        InputError: The main head is not of two classifiers.
    """

    def __init__(
        self,
        adversarial_weight: float,
        local_weight: float,
        epsilon: float,
        divergence_weight: float,
        warm_up: float,
        focal_gamma: float = 0.0,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        if len(self.decode_head.split()) != 2:
            raise InputError('model.decode_head: CLAN needs classifiers=2; set it')
        self.adversarial_weight = adversarial_weight
        self.local_weight = local_weight
        self.epsilon = epsilon
        self.divergence_weight = divergence_weight
        self.warm_up = warm_up
        self.focal_gamma = focal_gamma
        # Drawn aside: a seed starts every method's network from the same weights.
        with torch.random.fork_rng(devices=[]):
            self.discriminators = nn.ModuleDict(
                dict(decode=FCDiscriminator(self.num_classes))
            )

    @property
    def heads(self) -> dict[str, nn.Module]:
        """The two classifiers and the other heads, by name."""
        heads = super().heads
        classifiers = heads.pop('decode').split()
        return dict(zip(CLASSIFIERS, classifiers, strict=True)) | heads

    def source_losses(self, source: DomainView) -> dict[str, Tensor]:
        """Supervised losses, the classifiers' likeness, the discriminator's loss."""
        losses = super().source_losses(source)
        if self.focal_gamma:
            for name in CLASSIFIERS:
                losses[f'{name}.loss_ce'] = focal_loss(
                    source.logits[name], source.labels, self.focal_gamma
                )
        w1, w2 = (self.heads[name].parameters() for name in CLASSIFIERS)
        likeness = 2 * damping() * self.divergence_weight * weight_divergence(w1, w2)
        scores = self._scores(
            self.discriminators['decode'], _prediction(source).detach()
        )
        return losses | {
            'decode.loss_divergence': likeness,
            'decode.loss_disc': vanilla_gan_loss(scores, SOURCE) / 2,
        }

    def target_losses(
        self, target: DomainView, source: DomainInputs
    ) -> dict[str, Tensor]:
        """The weighted adversarial loss of the network, and the discriminator's."""
        discriminator, maps = self.discriminators['decode'], _prediction(target)
        weight = self._pixel_weights(target)
        fooled = self._scores(discriminator.frozen, maps)
        caught = self._scores(discriminator, maps.detach())
        adversarial = vanilla_gan_loss(fooled, SOURCE, weight)
        return {
            'decode.loss_adv': damping() * self.adversarial_weight * adversarial,
            'decode.loss_disc': vanilla_gan_loss(caught, TARGET, weight.detach()) / 2,
        }

    def _pixel_weights(self, target: DomainView) -> Tensor:
        """Weight a of each pixel's adversarial loss, (N, 1, H, W)."""
        distance = disagreement_map(*(target.logits[name] for name in CLASSIFIERS))
        if progress() < self.warm_up:
            return torch.ones_like(distance)
        return self.epsilon + self.local_weight * distance

    def _scores(self, discriminator, maps: Tensor) -> Tensor:
        """A discriminator's scores at the size of the maps."""
        return resize(
            discriminator(maps), maps.shape[2:], mode='bilinear', align_corners=True
        )


def _prediction(view: DomainView) -> Tensor:
    """Probabilities (N, C, H, W) of the summed classifiers."""
    return sum(view.logits[name] for name in CLASSIFIERS).softmax(dim=1)


def progress() -> float:
    """Share of the training's iterations that are done, in [0, 1); 0 without one."""
    hub = MessageHub.get_current_instance()
    return hub.get_info('iter', 0) / hub.get_info('max_iters', 1)


def damping() -> float:
    """Factor d of the losses that fade out, from 1 to 0."""
    return 1 - progress()
