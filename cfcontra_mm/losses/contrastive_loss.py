"""The class-wise contrastive loss as a registered module."""

from __future__ import annotations

from mmseg.registry import MODELS
from torch import Tensor

from .contrastive import class_contrastive_loss
from .weighted import WeightedLoss


@MODELS.register_module()
class ClassContrastiveLoss(WeightedLoss):
    """Class-wise InfoNCE of features against class centers (CFContra eqs. 8 and 18).

    Args:
        temperature: The temperature tau.
        include_positive: Whether the denominator holds the positive too, as in InfoNCE;
            without it the loss is eq. 8 as printed.
        loss_weight: Factor of the loss.
        loss_name: Key of the loss in the log.
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
        """Compute the weighted mean loss of features; see ``class_contrastive_loss``.

        Args:
            features: One feature per row, (P, D), normalised by the caller.
            labels: Class of each row, (P,), 255 for the rows to leave out.
            centers: One center per class, (C, D).
            valid: Classes that have a center, (C,), bool.
        """
        return self.loss_weight * class_contrastive_loss(
            features, labels, centers, valid, self.temperature, self.include_positive
        )
