"""MinEnt: direct entropy minimisation (Vu et al., ADVENT, CVPR 2019)."""

from __future__ import annotations

from typing import Any

import torch
from mmseg.registry import MODELS
from torch import Tensor

from cfcontra_mm.losses import entropy_map

from .base import DomainView, UDASegmentor
from .old_settings import apply_old_weights


@MODELS.register_module()
class MinEnt(UDASegmentor):
    r"""Entropy minimisation of the target's predictions (CFContra eqs. 2-3).

    .. math:: L = L_{CE}(x_s, y_s) + \sum_h \lambda_h \overline{E_h(x_t)}

    where :math:`E_h` is the normalised entropy of head h, averaged over pixels.

    Args:
        loss_entropy: Configs of ``EntropyLoss``, the loss of each head, by the head's
            name; published weights :math:`\lambda_h`: 1e-3 for ``'decode'``, 2e-4 for
            ``'aux'``.
        entropy_weights: Old name of the weights of ``loss_entropy``.
        **kwargs: As for mmseg's ``EncoderDecoder``.

    Raises:
        InputError: A loss is for a head that the network does not have.
    """

    def __init__(
        self,
        loss_entropy: dict[str, dict] | None = None,
        entropy_weights: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        losses = apply_old_weights(
            'loss_entropy', loss_entropy, 'EntropyLoss', entropy_weights=entropy_weights
        )
        self.loss_entropy = self.build_losses('loss_entropy', losses)

    def target_losses(self, target: DomainView) -> dict[str, Tensor]:
        """Compute the entropy loss of each head; log the main head's as ``entropy``."""
        losses = {
            f'{name}.{loss.loss_name}': loss(target.logits[name])
            for name, loss in self.loss_entropy.items()
        }
        return losses | dict(entropy=_mean_entropy(target.logits['decode']))


@torch.no_grad()
def _mean_entropy(logits: Tensor) -> Tensor:
    return entropy_map(logits).mean()
