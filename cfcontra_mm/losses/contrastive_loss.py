"""The contrast against class centers as a registered loss."""

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
