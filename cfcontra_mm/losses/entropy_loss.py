"""The entropy of predictions as a registered loss."""

from __future__ import annotations

from mmseg.registry import MODELS
from torch import Tensor

from .entropy import entropy_map
from .weighted import WeightedLoss


@MODELS.register_module()
class EntropyLoss(WeightedLoss):
    """Mean normalised entropy of predictions (CFContra eqs. 2-3).

    It needs no labels, and can be a ``loss_decode`` of any head of mmseg.

    Args:
        loss_weight: Factor of the loss.
        loss_name: Key of the loss in the log.
    """

    def __init__(self, loss_weight: float = 1.0, loss_name: str = 'loss_ent') -> None:
        super().__init__(loss_weight, loss_name)

    def forward(
        self, logits: Tensor, labels: Tensor | None = None, **options: object
    ) -> Tensor:
        """Compute the weighted mean entropy of logits (N, C, H, W).

        Args:
            logits: Scores before the softmax.
            labels: Not used; mmseg's heads pass them.
            **options: Not used; mmseg's heads pass them.
        """
        return self.loss_weight * entropy_map(logits).mean()
