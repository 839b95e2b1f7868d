"""VGG as AdaIN uses it: the encoder up to relu4_1, and the decoder that mirrors it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.logging import MMLogger
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from cfcontra_mm.errors import InputError
from cfcontra_mm.models.weights import read_weights, torchvision_weights

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Statistics of RGB in [0, 1] that torchvision's weights were trained with."""

PREFIXES = ('module.', 'backbone.', 'encoder.')
"""Prefixes of the weights of an encoder that was saved within another module."""


@MODELS.register_module()
class VGGEncoder(BaseModule):
    """The first convolutions of a VGG, with reflection padding.

    Stage k ends at relu(k)_1. Every stage but the first begins with the remaining
    convolutions of the VGG block before and its pooling. The input is RGB in [0, 1],
    which the encoder normalises itself. Max pooling rounds odd sizes up, so that
    features align with the upper left corner of the image.

    Args:
        channels: Number of channels of each stage, (64, 128, 256, 512) in VGG-19.
        convs: Number of convolutions of each block but the last, (2, 2, 4) in VGG-19.
        weights: ``'torchvision'`` for the ImageNet weights of torchvision's VGG-19; a
            file with such weights, or a checkpoint of a network with this encoder;
            ``None`` for random weights.

    Raises:
        InputError: In ``init_weights``, if the weights cannot be loaded or do not match
            the encoder.
    """

    def __init__(
        self,
        channels: Sequence[int],
        convs: Sequence[int],
        weights: str | None = None,
    ) -> None:
        super().__init__(dict(type='Kaiming', layer='Conv2d'))
        self.channels, self.convs, self.weights = tuple(channels), tuple(convs), weights
        self.stages = nn.ModuleList([nn.Sequential(*_conv(3, channels[0]))])
        for width, wider, count in zip(channels, channels[1:], convs, strict=False):
            layers = [layer for _ in range(count - 1) for layer in _conv(width, width)]
            pool = nn.MaxPool2d(2, ceil_mode=True)
            self.stages.append(nn.Sequential(*layers, pool, *_conv(width, wider)))
        for name, values in dict(mean=IMAGENET_MEAN, std=IMAGENET_STD).items():
            buffer = torch.tensor(values).view(1, 3, 1, 1)
            self.register_buffer(name, buffer, persistent=False)

    @property
    def stride(self) -> int:
        """Number of image pixels, each way, per pixel of the deepest feature map."""
        return 2 ** len(self.convs)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return the features of every stage, the deepest last.

        Args:
            images: RGB in [0, 1], (N, 3, H, W), with H and W larger than the stride.

        Returns:
            For stage k from 0, (N, channels[k], ceil(H / 2^k), ceil(W / 2^k)).
        """
        features, maps = (images - self.mean) / self.std, []
        for stage in self.stages:
            features = stage(features)
            maps.append(features)
        return tuple(maps)

    def init_weights(self) -> None:
        """Initialise the weights at random, then load ``weights`` if given."""
        super().init_weights()
        if self.weights is None:
            return
        found = self._find(_read(self.weights))
        if _shapes(found) != _shapes(self.state_dict()):
            raise InputError(
                f'{self.weights}: does not match an encoder with channels '
                f'{self.channels}; set model.encoder.weights to a checkpoint with one, '
                'or to the weights of its VGG'
            )
        self.load_state_dict(found)
        MMLogger.get_current_instance().info(f'encoder weights: {self.weights}')

    def _find(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Pick this encoder's tensors by its own names or by torchvision's."""
        for prefix in PREFIXES:
            state = {key.removeprefix(prefix): value for key, value in state.items()}
        own = list(self.state_dict())
        if own[0] in state:
            return {key: state[key] for key in own if key in state}
        # torchvision numbers the layers in the same order as this encoder.
        theirs = [key for key in state if key.startswith('features.')]
        theirs.sort(key=lambda key: (int(key.split('.')[1]), key.endswith('bias')))
        return {key: state[name] for key, name in zip(own, theirs, strict=False)}


class VGGDecoder(nn.Sequential):
    """Decode the deepest features of a ``VGGEncoder`` to RGB, mirroring its layers.

    Nearest-neighbour upsampling replaces pooling; the last convolution has no
    activation. Sizes that the encoder has rounded up are not cropped.

    Args:
        channels: As for the encoder.
        convs: As for the encoder.
    """

    def __init__(self, channels: Sequence[int], convs: Sequence[int]) -> None:
        layers: list[nn.Module] = []
        stages = list(zip(channels, channels[1:], convs, strict=False))
        for width, wider, count in reversed(stages):
            layers += _conv(wider, width)
            layers.append(nn.Upsample(scale_factor=2, mode='nearest'))
            layers += [layer for _ in range(count - 1) for layer in _conv(width, width)]
        super().__init__(*layers, _conv(channels[0], 3)[0])


def _conv(inputs: int, outputs: int) -> list[nn.Module]:
    conv = nn.Conv2d(inputs, outputs, 3, padding=1, padding_mode='reflect')
    return [conv, nn.ReLU(inplace=True)]


def _shapes(state: dict[str, Tensor]) -> dict[str, torch.Size]:
    return {key: value.shape for key, value in state.items()}


def _read(weights: str) -> dict[str, Tensor]:
    field = 'model.encoder.weights'
    if weights == 'torchvision':
        return torchvision_weights('VGG19_Weights', 'VGG-19', field)
    return read_weights(weights, field)
