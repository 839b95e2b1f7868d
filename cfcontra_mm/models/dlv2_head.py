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

        def pyramid() -> list[nn.Module]:
            return [
                nn.Conv2d(in_channels, num_classes, 3, padding=d, dilation=d)
                for d in dilations
            ]

        self.convs = nn.ModuleList(pyramid())
        self.per_classifier = len(dilations)
        # Drawn aside: a seed starts what other networks have from the same weights.
        with torch.random.fork_rng(devices=[]):
            for _ in range(classifiers - 1):
                self.convs.extend(pyramid())

    def init_weights(self) -> None:
        """Draw the weights; those after the first classifier's aside."""
        for conv in self.convs[: self.per_classifier]:
            normal_init(conv, std=0.01)
        with torch.random.fork_rng(devices=[]):
            for conv in self.convs[self.per_classifier :]:
                normal_init(conv, std=0.01)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Logits (N, C, H, W) of the feature map ``inputs[in_index]`` (N, D, H, W)."""
        x = self._transform_inputs(inputs)
        return sum(conv(x) for conv in self.convs)

    def split(self) -> list[Classifier]:
        """Each classifier as a head of its own, of the same parameters."""
        starts = range(0, len(self.convs), self.per_classifier)
        return [
            Classifier(self, self.convs[i : i + self.per_classifier]) for i in starts
        ]


class Classifier(nn.Module):
    """One of the classifiers of a :class:`DLV2Head`.

    Args:
        head: The head.
        convs: Its convolutions that make up the classifier.
    """

    def __init__(self, head: DLV2Head, convs: nn.ModuleList) -> None:
        super().__init__()
        self.convs = convs
        self.align_corners = head.align_corners
        self.loss_by_feat = head.loss_by_feat
        self._transform_inputs = head._transform_inputs

    forward = DLV2Head.forward
