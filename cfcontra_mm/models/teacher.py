"""The mean teacher (Tarvainen and Valpola, NeurIPS 2017)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call

from .copied_weights import SegmentorCopy, without_dropout


class Teacher(SegmentorCopy):
    r"""Moving average of the weights of a segmentor, which predicts with them.

    .. math::
        \theta' \leftarrow \alpha_t \theta' + (1 - \alpha_t) \theta, \qquad
        \alpha_t = \min(1 - \tfrac{1}{t + 1}, \alpha)

    at step t, counted from 0: the teacher starts as a copy of the initialised network
    and copies it again in the first step, unless a checkpoint holds a teacher. Its
    weights are buffers: they are saved and resumed, but neither optimised nor averaged
    over ranks nor exported. Batch normalisation uses the statistics of the teacher's
    own batches where the segmentor's does, and then moves the teacher's own running
    statistics.

    Args:
        segmentor: The :class:`~cfcontra_mm.methods.UDASegmentor` to follow, without its
            auxiliary head, discriminators and other teachers.
        momentum: Largest momentum :math:`\alpha`, in [0, 1).
        after_step: Whether to use the :math:`\alpha_t` of the step before, for methods
            whose published code moves the teacher after the optimiser.
    """

    steps: Tensor

    def __init__(
        self, segmentor: nn.Module, momentum: float, after_step: bool = False
    ) -> None:
        super().__init__(segmentor)
        self.momentum = momentum
        self.after_step = after_step
        self.register_buffer('steps', torch.tensor(0))

    @torch.no_grad()
    def follow(self, segmentor: nn.Module) -> None:
        """Move towards the segmentor's weights; call it once a step, in ``passes``."""
        count = self.steps.clamp(min=1) if self.after_step else self.steps + 1
        share = (1 / count).clamp(min=1 - self.momentum)
        theirs = segmentor.state_dict(keep_vars=True)
        for name, own in self.weights().items():
            if name in self.followed:
                own.lerp_(theirs[name], share.to(own.dtype))
            else:
                # Take over the running statistics of a pretrained network.
                own.copy_(torch.where(self.steps == 0, theirs[name], own))
        self.steps += 1

    @torch.no_grad()
    def forward(self, segmentor: nn.Module, images: Tensor) -> Tensor:
        """Compute logits of images, (N, C, H, W), without dropout.

        Args:
            segmentor: Segmentor that the weights are for.
            images: Normalised images, (N, 3, H, W).
        """
        with without_dropout(segmentor):
            return functional_call(
                segmentor, self.weights(), (images,), dict(mode='logits')
            )
