"""The entropy of predictions as a registered loss."""

from __future__ import annotations

from mmseg.registry import MODELS
from torch import Tensor

from .entropy import entropy_map
from .weighted import WeightedLoss


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
