"""The classifier of DeepLabV2 (Chen et al., 2016)."""

from __future__ import annotations

from collections.abc import Sequence

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
        dilations: Dilation, and padding, of each convolution.
        classifiers: Number of such pyramids side by side, whose logits are summed.
        **kwargs: As for mmseg's ``BaseDecodeHead`` (``in_index``, ``loss_decode``, …).
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        dilations: Sequence[int] = (6, 12, 18, 24),
        classifiers: int = 1,
        **kwargs,
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
        # Drawn aside: a seed starts what other networks have from the same weights.
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
        """Put one more pyramid beside the others."""
        self.convs.extend(self._new_pyramid())

    def pyramid(self, number: int) -> nn.ModuleList:
        """The convolutions of one pyramid."""
        width = len(self.dilations)
        return self.convs[number * width : (number + 1) * width]

    def init_weights(self) -> None:
        """Draw the weights; those after the first classifier's aside."""
        for conv in self.pyramid(0):
            normal_init(conv, std=0.01)
        with torch.random.fork_rng(devices=[]):
            for conv in self.convs[len(self.dilations) :]:
                normal_init(conv, std=0.01)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Logits (N, C, H, W) of the feature map ``inputs[in_index]`` (N, D, H, W)."""
        x = self._transform_inputs(inputs)
        return sum(conv(x) for conv in self.convs)

    def classifier_logits(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Logits of each pyramid, (N, C, H, W), as :meth:`forward` adds them up."""
        x = self._transform_inputs(inputs)
        return [
            sum(conv(x) for conv in self.pyramid(number))
            for number in range(self.classifiers)
        ]
