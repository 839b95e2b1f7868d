"""The likeness of two classifiers as a registered loss."""

from __future__ import annotations

from collections.abc import Iterable

from mmseg.registry import MODELS
from torch import Tensor

from .discrepancy import weight_divergence
from .weighted import WeightedLoss


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
