"""The similarity of two classifiers' weights as a registered loss."""

from __future__ import annotations

from collections.abc import Iterable

from mmseg.registry import MODELS
from torch import Tensor

from .discrepancy import weight_similarity
from .weighted import WeightedLoss


@MODELS.register_module()
class WeightDiscrepancyLoss(WeightedLoss):
    """Loss that keeps two classifiers' weights apart (CLAN, CVPR 2019, eq. 5).

    Args:
        loss_weight: Factor of the loss.
        loss_name: Key of the loss in the log.
    """

    def __init__(
        self, loss_weight: float = 1.0, loss_name: str = 'loss_divergence'
    ) -> None:
        super().__init__(loss_weight, loss_name)

    def forward(
        self, first: Iterable[Tensor], second: Iterable[Tensor], factor: float = 1.0
    ) -> Tensor:
        """Compute the weighted similarity of two classifiers' parameters, in [0, 2].

        Args:
            first: Parameters of one classifier.
            second: Parameters of the other classifier.
            factor: Factor of the weight, for a weight that changes in training.
        """
        return factor * self.loss_weight * weight_similarity(first, second)
