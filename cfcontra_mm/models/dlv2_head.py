"""The classifier of DeepLabV2 (Chen et al., 2016)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.model import normal_init
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class DLV2Head(BaseDecodeHead):
    """Atrous spatial pyramid of DeepLabV2: parallel dilated 3x3 convolutions, summed.

    Weights start at N(0, 0.01), biases at 0; there is no normalisation, dropout or
    concatenation.

    Args:
        in_channels: Channels of the feature map.
        num_classes: Channels of the logits.
        dilations: Dilation and padding of each convolution.
        classifiers: Number of pyramids, whose logits are summed.
        **kwargs: As for mmseg's ``BaseDecodeHead``.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        dilations: Sequence[int] = (6, 12, 18, 24),
        classifiers: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            in_channels,
            channels=num_classes,
            num_classes=num_classes,
            dropout_ratio=0,
            init_cfg=None,
            **kwargs,
        )
        del self.conv_seg

        self.dilations = tuple(dilations)
        self.convs = nn.ModuleList(self._new_pyramid())
        # Forked, so that a seed gives the rest of a network the same weights.
        with torch.random.fork_rng(devices=[]):
            for _ in range(classifiers - 1):
                self.add_classifier()

    def _new_pyramid(self) -> list[nn.Module]:
        return [
            nn.Conv2d(self.in_channels, self.num_classes, 3, padding=d, dilation=d)
            for d in self.dilations
        ]

    @property
    def classifiers(self) -> int:
        """Number of pyramids."""
        return len(self.convs) // len(self.dilations)

    def add_classifier(self) -> None:
        """Add one more pyramid."""
        self.convs.extend(self._new_pyramid())

    def pyramid(self, number: int) -> nn.ModuleList:
        """Return the convolutions of a pyramid, counted from 0."""
        width = len(self.dilations)
        return self.convs[number * width : (number + 1) * width]

    def init_weights(self) -> None:
        """Draw the weights; only the first pyramid advances the random state."""
        for conv in self.pyramid(0):
            normal_init(conv, std=0.01)
        with torch.random.fork_rng(devices=[]):
            for conv in self.convs[len(self.dilations) :]:
                normal_init(conv, std=0.01)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Compute the logits (N, C, H, W) of ``inputs[in_index]`` (N, D, H, W)."""
        x = self._transform_inputs(inputs)
        return sum(conv(x) for conv in self.convs)

    def classifier_logits(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Compute the logits (N, C, H, W) of each pyramid, which ``forward`` sums."""
        x = self._transform_inputs(inputs)
        return [
            sum(conv(x) for conv in self.pyramid(number))
            for number in range(self.classifiers)
        ]
