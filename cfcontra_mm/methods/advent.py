"""AdvEnt: adversarial entropy minimisation (Vu et al., ADVENT, CVPR 2019)."""

from mmseg.registry import MODELS
from torch import Tensor

from cfcontra_mm.losses import weighted_self_information

from .adaptsegnet import AdaptSegNet


@MODELS.register_module()
class AdvEnt(AdaptSegNet):
    r"""Makes the target's maps of self-information look like the source's.

    .. math::
        \min_G \quad & L_{CE}(x_s, y_s) + \sum_h \lambda_h L_D(I_h(x_t), 0) \\
        \min_{D_h} \quad & \tfrac12 L_D(I_h(x_s), 0) + \tfrac12 L_D(I_h(x_t), 1)
        \qquad I^{(h,w,c)} = -P^{(h,w,c)} \log P^{(h,w,c)} / \log C

    AdaptSegNet's game on other maps. The published weights are 1e-3 for 'decode' and
    2e-4 for 'aux'.

    What differs from the published code, so that all methods share their conditions:
    both domains are 1280x640, not 1280x720 and 1024x512; each parameter is listed once
    in its optimiser. The published 45.5, an average of this method's and MinEnt's
    predictions, is not part of it.
    """

    def discriminator_input(self, logits: Tensor) -> Tensor:
        """What a discriminator sees of logits (N, C, H, W): their self-information."""
        return weighted_self_information(logits)
