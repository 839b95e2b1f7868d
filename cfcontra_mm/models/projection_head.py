"""Heads that remap features for the contrast (CFContra Table 1)."""

from mmseg.registry import MODELS
from torch import Tensor, nn

from cfcontra_mm.errors import InputError

_LAYERS = {
    'linear': ('linear',),
    'moco': ('linear', 'relu', 'linear'),
    'byol': ('linear', 'bn', 'relu', 'linear'),
    'simclr': ('linear', 'bn', 'relu', 'linear', 'bn'),
}


@MODELS.register_module()
class ProjectionHead(nn.Sequential):
    """One of the head modules of Table 1, applied to each pixel.

    A linear layer over pixels is a 1x1 convolution, BatchNorm1d over pixels is
    BatchNorm2d.

    Args:
        structure: 'linear', 'moco', 'byol' or 'simclr'.
        in_channels: Channels of the backbone's last feature map.
        out_channels: Channels of every layer; as many as go in if ``None``, which is
            what the paper's code has (2048).
        frozen: Leave the head at its random start, as the paper's code does: the
            gradient flows through it into the backbone alone.

    Raises:
        InputError: An unknown structure.
    """

    def __init__(
        self,
        structure: str,
        in_channels: int,
        out_channels: int | None = None,
        frozen: bool = False,
    ) -> None:
        if structure not in _LAYERS:
            raise InputError(
                f'projection_head.structure: {structure!r} is none of '
                f'{", ".join(_LAYERS)}'
            )
        out_channels = out_channels or in_channels
        layers = []
        for kind in _LAYERS[structure]:
            if kind == 'linear':
                layers.append(nn.Conv2d(in_channels, out_channels, 1))
                in_channels = out_channels
            else:
                layers.append(
                    nn.BatchNorm2d(out_channels) if kind == 'bn' else nn.ReLU()
                )
        super().__init__(*layers)
        self.out_channels = out_channels
        self.requires_grad_(not frozen)

    def forward(self, features: Tensor) -> Tensor:
        """Map features (N, in_channels, H, W) to (N, out_channels, H, W)."""
        return super().forward(features)
