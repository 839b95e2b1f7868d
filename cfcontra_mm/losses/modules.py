"""The losses as modules that a config names, weighs and swaps, as mmseg's own."""

from __future__ import annotations

from collections.abc import Iterable

from mmseg.registry import MODELS
from torch import Tensor, nn

from cfcontra_mm.errors import InputError

from .adversarial import least_squares_gan_loss, vanilla_gan_loss
from .contrastive import class_contrastive_loss
from .discrepancy import weight_divergence
from .entropy import entropy_map

GAN_LOSSES = dict(vanilla=vanilla_gan_loss, lsgan=least_squares_gan_loss)


class WeightedLoss(nn.Module):
    """A loss with a weight and a name.

    Args:
        loss_weight: Factor of the loss.
        loss_name: Its key among the losses of a head or a method.
    """

    def __init__(self, loss_weight: float, loss_name: str) -> None:
        super().__init__()
        self.loss_weight = loss_weight
        self.loss_name = loss_name

    def extra_repr(self) -> str:
        """Show the weight."""
        return f'loss_weight={self.loss_weight}'


@MODELS.register_module()
class EntropyLoss(WeightedLoss):
    """Mean of the predictions' normalised entropy (CFContra eqs. 2-3).

    It reads no label; a plain mmseg head may have it among its ``loss_decode``.

    Args:
        loss_weight: Factor of the loss.
        loss_name: Its key.
    """

    def __init__(self, loss_weight: float = 1.0, loss_name: str = 'loss_ent') -> None:
        super().__init__(loss_weight, loss_name)

    def forward(
        self, logits: Tensor, labels: Tensor | None = None, **options
    ) -> Tensor:
        """Mean entropy of logits (N, C, H, W); the rest is what mmseg's heads give."""
        return self.loss_weight * entropy_map(logits).mean()


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


@MODELS.register_module()
class WeightDiscrepancyLoss(WeightedLoss):
    """Keeps two classifiers' weights apart (CLAN, Luo et al., CVPR 2019, eq. 5).

    Args:
        loss_weight: Factor of the loss.
        loss_name: Its key.
    """

    def __init__(
        self, loss_weight: float = 1.0, loss_name: str = 'loss_divergence'
    ) -> None:
        super().__init__(loss_weight, loss_name)

    def forward(
        self, first: Iterable[Tensor], second: Iterable[Tensor], factor: float = 1.0
    ) -> Tensor:
        """Likeness of two classifiers' parameters, in [0, 2], weighted.

        Args:
            first: Parameters of one classifier.
            second: The other's.
            factor: Of the weight, where it fades in or out.
        """
        return factor * self.loss_weight * weight_divergence(first, second)


@MODELS.register_module()
class ClassContrastiveLoss(WeightedLoss):
    """Class-wise InfoNCE of features against class centers (CFContra eqs. 8 and 18).

    Args:
        temperature: The temperature tau.
        include_positive: Whether the denominator holds the positive; without it eq. 8
            is taken as printed.
        loss_weight: Factor of the loss.
        loss_name: Its key.
    """

    def __init__(
        self,
        temperature: float = 0.07,
        include_positive: bool = True,
        loss_weight: float = 1.0,
        loss_name: str = 'loss_contra',
    ) -> None:
        super().__init__(loss_weight, loss_name)
        self.temperature = temperature
        self.include_positive = include_positive

    def forward(
        self, features: Tensor, labels: Tensor, centers: Tensor, valid: Tensor
    ) -> Tensor:
        """Mean loss of features (P, D) with labels (P,).

        Args:
            features: One feature per row; taken as given, the caller normalises.
            labels: Class of each row, 255 for those that take no part.
            centers: One center per class, (C, D).
            valid: Classes that have a center, (C,), bool.
        """
        return self.loss_weight * class_contrastive_loss(
            features, labels, centers, valid, self.temperature, self.include_positive
        )
