"""The classifier of DeepLabV2 (Chen et al., 2016)."""

from collections.abc import Sequence

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
        **kwargs: As for mmseg's ``BaseDecodeHead`` (``in_index``, ``loss_decode``, …).
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        dilations: Sequence[int] = (6, 12, 18, 24),
        **kwargs,
    ) -> None:
        super().__init__(
            in_channels,
            channels=num_classes,
            num_classes=num_classes,
            dropout_ratio=0,
            init_cfg=dict(type='Normal', layer='Conv2d', std=0.01),
            **kwargs,
        )
        del self.conv_seg
        self.convs = nn.ModuleList(
            nn.Conv2d(in_channels, num_classes, 3, padding=d, dilation=d)
            for d in dilations
        )

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Logits (N, C, H, W) of the feature map ``inputs[in_index]`` (N, D, H, W)."""
        x = self._transform_inputs(inputs)
        return sum(conv(x) for conv in self.convs)
