"""A teacher: a moving average of weights (Tarvainen and Valpola, NeurIPS 2017)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.func import functional_call

NOT_PREDICTING = ('auxiliary_head.', 'data_preprocessor.')
"""Parts of a segmentor that its logits do not depend on."""


class Teacher(nn.Module):
    r"""Follows the weights of a segmentor, and predicts with them.

    .. math::
        \theta' \leftarrow \alpha_t \theta' + (1 - \alpha_t) \theta, \qquad
        \alpha_t = \min(1 - \tfrac{1}{t + 1}, \alpha)

    at step t, counted from 0: it starts as a copy. Its weights are buffers, which are
    saved and resumed, and belong to no optimiser, no gradient of other ranks and no
    export. Batch normalisation runs on the statistics of the teacher's own batches
    where the segmentor's does, and then moves the teacher's own running statistics.

    Args:
        segmentor: What to follow, a :class:`~cfcontra_mm.methods.UDASegmentor`: the
            weights that it has so far, but for those that its logits do not need.
        momentum: Largest momentum :math:`\alpha`, in [0, 1).
        after_step: Whether :math:`\alpha_t` belongs to the step before, as where the
            published code moves the teacher after the optimiser.
    """

    def __init__(
        self, segmentor: nn.Module, momentum: float, after_step: bool = False
    ) -> None:
        super().__init__()
        self.momentum = momentum
        self.after_step = after_step
        self.followed = {name for name, _ in segmentor.named_parameters()}
        for name, value in segmentor.state_dict().items():
            if not name.startswith(NOT_PREDICTING):
                _register(self, name, value.clone())
        self.register_buffer('steps', torch.tensor(0))

    def weights(self) -> dict[str, Tensor]:
        """Weights and statistics, by the segmentor's names."""
        return {name: b for name, b in self.named_buffers() if name != 'steps'}

    @torch.no_grad()
    def follow(self, segmentor: nn.Module) -> None:
        """Move towards the segmentor's weights; once a step, in ``passes``."""
        count = self.steps.clamp(min=1) if self.after_step else self.steps + 1
        share = (1 / count).clamp(min=1 - self.momentum)
        theirs = segmentor.state_dict(keep_vars=True)
        for name, own in self.weights().items():
            if name in self.followed:
                own.lerp_(theirs[name], share.to(own.dtype))
            else:
                # The statistics that a pretrained network brings.
                own.copy_(torch.where(self.steps == 0, theirs[name], own))
        self.steps += 1

    @torch.no_grad()
    def forward(self, segmentor: nn.Module, images: Tensor) -> Tensor:
        """Logits of images, (N, C, H, W), without dropout.

        Args:
            segmentor: Whose ``encode_decode`` the weights are for.
            images: Normalised images, (N, 3, H, W).
        """
        with _without_dropout(segmentor):
            return functional_call(
                segmentor, self.weights(), (images,), dict(mode='logits')
            )


def _register(module: nn.Module, name: str, value: Tensor) -> None:
    """Register a buffer by its dotted name."""
    *path, last = name.split('.')
    for part in path:
        if part not in module._modules:
            module.add_module(part, nn.Module())
        module = module._modules[part]
    module.register_buffer(last, value)


@contextmanager
def _without_dropout(module: nn.Module) -> Iterator[None]:
    """Let all but the normalisation of a network run as when it predicts."""
    norms = nn.modules.batchnorm._NormBase
    trained = [m for m in module.modules() if m.training and not isinstance(m, norms)]
    for part in trained:
        part.training = False
    try:
        yield
    finally:
        for part in trained:
            part.training = True
