"""MinEnt: direct entropy minimisation (Vu et al., ADVENT, CVPR 2019)."""

from __future__ import annotations

import torch
from mmseg.registry import MODELS
from torch import Tensor

from cfcontra_mm.losses import entropy_map

from .base import DomainView, UDASegmentor
from .old_settings import of_each_head


@MODELS.register_module()
class MinEnt(UDASegmentor):
    r"""Makes the target's predictions certain (eqs. 2-3 of CFContra).

    .. math:: L = L_{CE}(x_s, y_s) + \sum_h \lambda_h \overline{E_h(x_t)}

    with the mean over pixels of each head h's normalised entropy.

    Args:
        loss_entropy: Loss of each head's logits by the head's name, configs of
            ``EntropyLoss``; published weights :math:`\lambda_h`: 1e-3 for 'decode',
            2e-4 for 'aux'.
        entropy_weights: Old name of the weights.
        **kwargs: As for mmseg's ``EncoderDecoder``.

    Raises:
        InputError: A loss for a head that the network has not.
    """

    def __init__(
        self,
        loss_entropy: dict[str, dict] | None = None,
        entropy_weights: dict[str, float] | None = None,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        losses = of_each_head(
            'loss_entropy', loss_entropy, 'EntropyLoss', entropy_weights=entropy_weights
        )
        self.loss_entropy = self.build_losses('loss_entropy', losses)

    def target_losses(self, target: DomainView) -> dict[str, Tensor]:
        """Weighted mean entropy of each head; logs the main head's as ``entropy``."""
        losses = {
            f'{name}.{loss.loss_name}': loss(target.logits[name])
            for name, loss in self.loss_entropy.items()
        }
        return losses | dict(entropy=_mean_entropy(target.logits['decode']))


@torch.no_grad()
def _mean_entropy(logits: Tensor) -> Tensor:
    return entropy_map(logits).mean()
