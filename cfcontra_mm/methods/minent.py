"""MinEnt: direct entropy minimisation (Vu et al., ADVENT, CVPR 2019)."""

from __future__ import annotations

from mmseg.registry import MODELS
from torch import Tensor

from cfcontra_mm.losses import entropy_map

from .base import DomainInputs, DomainView, UDASegmentor


@MODELS.register_module()
class MinEnt(UDASegmentor):
    r"""Makes the target's predictions certain (eqs. 2-3 of CFContra).

    .. math:: L = L_{CE}(x_s, y_s) + \sum_h \lambda_h \overline{E_h(x_t)}

    with the mean over pixels of each head h's normalised entropy.

    Args:
        entropy_weights: Weight :math:`\lambda_h` of the entropy of each head, by the
            head's name ('decode', 'aux'); published: 1e-3 and 2e-4.
        **kwargs: As for mmseg's ``EncoderDecoder``.

    Raises:
        InputError: A weight for a head that the network has not.
    """

    def __init__(self, entropy_weights: dict[str, float], **kwargs) -> None:
        super().__init__(**kwargs)
        self.check_heads('entropy_weights', entropy_weights)
        self.entropy_weights = entropy_weights

    def target_losses(
        self, target: DomainView, source: DomainInputs
    ) -> dict[str, Tensor]:
        """Weighted mean entropy of each head; logs the main head's as ``entropy``."""
        entropy = {
            name: entropy_map(logits).mean() for name, logits in target.logits.items()
        }
        losses = {
            f'{name}.loss_ent': weight * entropy[name]
            for name, weight in self.entropy_weights.items()
        }
        return losses | {'entropy': entropy['decode'].detach()}
