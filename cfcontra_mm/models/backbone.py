"""ResNet as DeepLabV2 uses it."""

from __future__ import annotations

import torch
from mmseg.models.backbones import ResNet
from mmseg.registry import MODELS
from torch import nn

from .weights import load_start, read_weights, torchvision_weights

IMAGENET_STD = (0.229, 0.224, 0.225)
"""Deviation of RGB in [0, 1] that torchvision's weights are trained with."""


@MODELS.register_module()
class DeepLabResNet(ResNet):
    """mmseg's ResNet with the ceil-mode max-pooling of DeepLabV2.

    A picture of 1280x640 gives features of 161x81 at output stride 8.

    Args:
        *args: As for mmseg's ``ResNet``.
        weights: Start of the network: ``'torchvision'`` for the ImageNet weights of
            torchvision's ResNet of the same depth, converted to BGR pictures in
            [0, 255] minus their mean; or a file of weights for such pictures, as the
            published DeepLab and Caffe weights are; ``None`` for random weights.
        **kwargs: As for mmseg's ``ResNet``.

    Raises:
        InputError: On ``init_weights`` if the weights cannot be had or do not fit.
    """

    def __init__(self, *args, weights: str | None = None, **kwargs) -> None:
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
    """The tensors of torchvision's ResNet or of a file, without foreign prefixes."""
    field, name = 'model.backbone.weights', f'ResNet{depth}_Weights'
    if weights == 'torchvision':
        state = _for_bgr(torchvision_weights(name, f'ResNet-{depth}', field))
    else:
        state = read_weights(weights, field)
    # The published DeepLab files prefix every name with the module that held it.
    prefixes = ('Scale.', 'module.', 'backbone.')
    for prefix in prefixes:
        state = {k.removeprefix(prefix): v for k, v in state.items()}
    return state


def _for_bgr(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Let weights for RGB in units of ImageNet's deviation read BGR in [0, 255].

    The stem absorbs the order and the scale, so that the pictures keep the one
    convention of the published DeepLab weights.
    """
    deviation = 255 * torch.tensor(IMAGENET_STD).view(1, 3, 1, 1)
    stem = (state['conv1.weight'] / deviation).flip(1)
    return state | {'conv1.weight': stem}
