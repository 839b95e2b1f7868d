"""Two classifiers on the same features, whose logits are summed (CLAN)."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import torch
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor, nn

from cfcontra_mm.errors import InputError

from .dlv2_head import DLV2Head


class TwinClassifier(nn.ModuleList):
    """Two layers in place of one, whose outputs are summed.

    Args:
        first: The first layer; the second one is a copy of it.
    """

    def __init__(self, first: nn.Module) -> None:
        super().__init__([first, copy.deepcopy(first)])

    def forward(self, features: Tensor) -> Tensor:
        """Sum both layers' logits (N, C, H, W) of features (N, D, H, W)."""
        return self[0](features) + self[1](features)

    def apply(self, fn: Callable[[nn.Module], None]) -> TwinClassifier:
        """Apply a function; the second layer does not advance the random state."""
        self[0].apply(fn)
        with torch.random.fork_rng(devices=[]):
            self[1].apply(fn)
        return self


def add_classifier(head: BaseDecodeHead) -> None:
    """Give a head a second classifier, unless it has one already.

    Args:
        head: A ``DLV2Head``, whose pyramid is the classifier, or any other head of
            mmseg, whose ``conv_seg`` is.

    Raises:
        InputError: The head has no classifier to copy.
    """
    last = getattr(head, 'conv_seg', None)
    if isinstance(head, DLV2Head):
        if head.classifiers == 1:
            head.add_classifier()
    elif isinstance(last, nn.Conv2d):
        head.conv_seg = TwinClassifier(last)
    elif not isinstance(last, TwinClassifier):
        raise InputError(
            f'model.decode_head: {type(head).__name__} has no conv_seg to copy for a '
            'second classifier; choose another head'
        )


def classifier_logits(
    head: BaseDecodeHead, features: Sequence[Tensor]
) -> tuple[Tensor, Tensor]:
    """Compute the logits (N, C, h, w) of each classifier from backbone features."""
    if isinstance(head, DLV2Head):
        first, second = head.classifier_logits(features)
        return first, second
    shared: list[Tensor] = []
    hook = head.conv_seg.register_forward_pre_hook(
        lambda layer, inputs: shared.append(inputs[0])
    )
    with hook:
        head(features)
    first, second = (layer(shared[0]) for layer in head.conv_seg)
    return first, second


def classifier_parameters(
    head: BaseDecodeHead,
) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Return the parameters of each classifier."""
    if isinstance(head, DLV2Head):
        layers = [head.pyramid(0), head.pyramid(1)]
    else:
        layers = list(head.conv_seg)
    first, second = (list(layer.parameters()) for layer in layers)
    return first, second
