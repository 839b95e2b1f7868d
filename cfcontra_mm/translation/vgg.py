"""VGG as AdaIN uses it: the encoder up to relu4_1, and the decoder in its mirror."""

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
"""Of RGB in [0, 1], which torchvision's weights are trained with."""

PREFIXES = ('module.', 'backbone.', 'encoder.')
"""Of the modules that an encoder may have been saved in."""


@MODELS.register_module()
class VGGEncoder(BaseModule):
    """The first convolutions of a VGG, with reflection padding.

    Stage k ends in relu(k)_1; all stages but the first begin with what is left of the
    stage before and its pooling. Its input is RGB in [0, 1], which it normalises
    itself. Max-pooling keeps the remainder of an odd size, so that features align with
    the picture's upper left corner.

    Args:
        channels: Width of each stage, (64, 128, 256, 512) in VGG-19.
        convs: Convolutions of each stage but the last, (2, 2, 4) in VGG-19.
        weights: ``'torchvision'`` for the ImageNet weights of torchvision's VGG-19; a
            file of those, or a checkpoint of a network with this encoder; ``None`` for
            random weights.

    Raises:
        InputError: On ``init_weights`` if the weights cannot be had or do not fit.
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
            values = torch.tensor(values).view(1, 3, 1, 1)
            self.register_buffer(name, values, persistent=False)

    @property
    def stride(self) -> int:
        """Pixels of the picture to one of the deepest feature map."""
        return 2 ** len(self.convs)

    def forward(self, pictures: Tensor) -> tuple[Tensor, ...]:
        """Features of every stage, the deepest last.

        Args:
            pictures: RGB in [0, 1], (N, 3, H, W); more than one stride high and wide.
        """
        features, maps = (pictures - self.mean) / self.std, []
        for stage in self.stages:
            features = stage(features)
            maps.append(features)
        return tuple(maps)

    def init_weights(self) -> None:
        """Initialise at random, then load ``weights``."""
        super().init_weights()
        if self.weights is None:
            return
        found = self._find(_read(self.weights))
        if _shapes(found) != _shapes(self.state_dict()):
            raise InputError(
                f'{self.weights}: holds no encoder of widths {self.channels}; set '
                'model.encoder.weights to one, or to the weights of its VGG'
            )
        self.load_state_dict(found)
        MMLogger.get_current_instance().info(f'encoder weights: {self.weights}')

    def _find(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """This encoder's tensors among others: by its names or by torchvision's."""
        for prefix in PREFIXES:
            state = {key.removeprefix(prefix): value for key, value in state.items()}
        own = list(self.state_dict())
        if own[0] in state:
            return {key: state[key] for key in own if key in state}
        # torchvision numbers the layers in their order, as ours are.
        theirs = [key for key in state if key.startswith('features.')]
        theirs.sort(key=lambda key: (int(key.split('.')[1]), key.endswith('bias')))
        return {key: state[name] for key, name in zip(own, theirs, strict=False)}


class VGGDecoder(nn.Sequential):
    """From the deepest features of a ``VGGEncoder`` to RGB, its layers mirrored.

    Nearest-neighbour doubling stands for pooling; the last convolution has no
    activation. A size that the encoder had to round up stays so.

    Args:
        channels: As of the encoder.
        convs: As of the encoder.
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
