"""The ResNet of DeepLabV2."""

from __future__ import annotations

from typing import Any

import torch
from mmseg.models.backbones import ResNet
from mmseg.registry import MODELS
from torch import nn

from .weights import (
    is_torchvision_file,
    load_start,
    read_weights,
    torchvision_weights,
)

IMAGENET_STD = (0.229, 0.224, 0.225)
"""Standard deviation of RGB in [0, 1] with which torchvision normalises images."""


@MODELS.register_module()
class DeepLabResNet(ResNet):
    """mmseg's ResNet with the ceil-mode max-pooling of DeepLabV2.

    An image of 1280x640 gives features of 161x81 at output stride 8.

    Args:
        *args: As for mmseg's ``ResNet``.
        weights: Initial weights: ``'torchvision'`` for the ImageNet weights of
            torchvision's ResNet of the same depth, converted to BGR images in
            [0, 255] minus their mean; a file that torchvision downloads, converted
            likewise; or a file of weights for such images, as the published DeepLab
            and Caffe weights are; ``None`` for random weights.
        **kwargs: As for mmseg's ``ResNet``.

    Raises:
        InputError: On ``init_weights``, if the weights cannot be read or do not fit.
    """

    def __init__(self, *args: Any, weights: str | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.weights = weights
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1, ceil_mode=True)

    def init_weights(self) -> None:
        """Initialise at random, then load ``weights``."""
        super().init_weights()
        if self.weights is None:
            return
        state = _read_weights(self.weights, self.depth)
        load_start(self, state, self.weights, f'ResNet-{self.depth}')


def _read_weights(weights: str, depth: int) -> dict[str, torch.Tensor]:
    """Return the tensors of torchvision's ResNet or of a file, without prefixes."""
    field, name = 'model.backbone.weights', f'ResNet{depth}_Weights'
    if weights == 'torchvision':
        state = _for_bgr(torchvision_weights(name, f'ResNet-{depth}', field))
    else:
        state = read_weights(weights, field)
        if is_torchvision_file(weights, name):
            state = _for_bgr(state)
    # The published DeepLab files prefix every name with the module that held it.
    prefixes = ('Scale.', 'module.', 'backbone.')
    for prefix in prefixes:
        state = {k.removeprefix(prefix): v for k, v in state.items()}
    return state


def _for_bgr(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Convert weights for normalised RGB images to weights for BGR in [0, 255].

    The stem absorbs the order and the scale of the channels, so that all weights take
    images in the convention of the published DeepLab weights.
    """
    deviation = 255 * torch.tensor(IMAGENET_STD).view(1, 3, 1, 1)
    stem = (state['conv1.weight'] / deviation).flip(1)
    return state | {'conv1.weight': stem}
