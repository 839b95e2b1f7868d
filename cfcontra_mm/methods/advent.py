"""AdvEnt: adversarial entropy minimisation (Vu et al., ADVENT, CVPR 2019)."""

from mmseg.registry import MODELS
from torch import Tensor

from cfcontra_mm.losses import weighted_self_information

from .adaptsegnet import AdaptSegNet


@MODELS.register_module()
class AdvEnt(AdaptSegNet):
    r"""Adversarial adaptation of the maps of self-information.

    .. math::
        \min_G \quad & L_{CE}(x_s, y_s) + \sum_h \lambda_h L_D(I_h(x_t), 0) \\
        \min_{D_h} \quad & \tfrac12 L_D(I_h(x_s), 0) + \tfrac12 L_D(I_h(x_t), 1)
        \qquad I^{(h,w,c)} = -P^{(h,w,c)} \log P^{(h,w,c)} / \log C

    It is AdaptSegNet with other maps. The published weights are 1e-3 for ``'decode'``
    and 2e-4 for ``'aux'``.

    Differences from the published code, so that all methods share their conditions:
    both domains are 1280x640, not 1280x720 and 1024x512; each parameter is listed once
    in its optimiser. The published mIoU of 45.5 is that of the averaged predictions of
    AdvEnt and MinEnt, which this method does not compute.
    """

    def discriminator_input(self, logits: Tensor) -> Tensor:
        """Return the input of a discriminator: the self-information of the logits."""
        return weighted_self_information(logits)
