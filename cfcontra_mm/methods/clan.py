"""CLAN: category-level adversarial adaptation (Luo et al., CVPR 2019)."""

from __future__ import annotations

import torch
from mmengine.logging import MessageHub
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
from .old_settings import with_old

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
    a is 1. The weight a carries a gradient to the network and none to D. The second
    classifier is made here: another pyramid in a ``DLV2Head``, another last layer in
    any other head.

    What differs from the published code, so that all methods share their conditions:
    the supervised loss is the cross-entropy, not a focal loss (``focal_gamma=2``);
    there is a classifier on conv4 with weight 0.1, as in every method; D's losses are
    halved, which Adam does not feel; images are neither mirrored nor scaled; both
    domains are 1280x640; the start is ImageNet, not ImageNet and COCO; the learning
    rate is not warmed up, decays over 250k iterations and stops at 120k, not both at
    100k; each parameter is listed once in its optimiser.

    Args:
        loss_adversarial: Config of :math:`L_D` with :math:`\lambda_{adv}`, a
            ``GANLoss``; published weight: 1e-3.
        loss_discrepancy: Config of the likeness with :math:`\lambda_w`, a
            ``WeightDiscrepancyLoss``; published weight: 0.01.
        local_weight: :math:`\lambda_{local}`; published: 40, for SYNTHIA 10.
        epsilon: :math:`\epsilon`; published: 0.4.
        warm_up: Share of the training's iterations in which every pixel counts alike;
            published: 0.05.
        focal_gamma: Exponent of the focal loss that takes the place of the
            classifiers' supervised loss; 0 for the cross-entropy.
        adversarial_weight: Old name of ``loss_adversarial.loss_weight``.
        divergence_weight: Old name of ``loss_discrepancy.loss_weight``.
        **kwargs: As for mmseg's ``EncoderDecoder``.

    Raises:
        InputError: The main head has no classifier of which a second could be made.
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
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        # Drawn aside: a seed starts every method's network from the same weights.
        with torch.random.fork_rng(devices=[]):
            add_classifier(self.decode_head)
        loss_adversarial = with_old(
            'loss_adversarial',
            loss_adversarial,
            'GANLoss',
            adversarial_weight=('loss_weight', adversarial_weight),
        )
        loss_discrepancy = with_old(
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
        # Drawn aside: a seed starts every method's network from the same weights.
        with torch.random.fork_rng(devices=[]):
            self.discriminators = nn.ModuleDict(
                dict(decode=FCDiscriminator(self.num_classes))
            )

    @property
    def heads(self) -> dict[str, nn.Module]:
        """What supervises the two classifiers and the other heads, by name."""
        heads = super().heads
        return dict.fromkeys(CLASSIFIERS, heads.pop('decode')) | heads

    def view(self, inputs: DomainInputs) -> DomainView:
        """Run the backbone, both classifiers and the other heads on a pass's images."""
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
        """Supervised losses, the classifiers' likeness, the discriminator's loss."""
        losses = super().source_losses(source)
        if self.focal_gamma:
            for name in CLASSIFIERS:
                losses[f'{name}.loss_ce'] = focal_loss(
                    source.logits[name], source.labels, self.focal_gamma
                )
        w1, w2 = classifier_parameters(self.decode_head)
        likeness = self.loss_discrepancy(w1, w2, factor=2 * damping())
        scores = self._scores(
            self.discriminators['decode'], _prediction(source).detach()
        )
        seen = self.loss_adversarial(scores, SOURCE, is_disc=True)
        return losses | {
            f'decode.{self.loss_discrepancy.loss_name}': likeness,
            'decode.loss_disc': seen / 2,
        }

    def target_losses(self, target: DomainView) -> dict[str, Tensor]:
        """The weighted adversarial loss of the network, and the discriminator's."""
        discriminator, maps = self.discriminators['decode'], _prediction(target)
        weight, loss = self._pixel_weights(target), self.loss_adversarial
        fooled = self._scores(discriminator.frozen, maps)
        caught = self._scores(discriminator, maps.detach())
        adversarial = loss(fooled, SOURCE, weight, factor=damping())
        own = loss(caught, TARGET, weight.detach(), is_disc=True)
        return {
            f'decode.{loss.loss_name}': adversarial,
            'decode.loss_disc': own / 2,
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
