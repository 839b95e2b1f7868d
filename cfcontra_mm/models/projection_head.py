"""Projection heads for contrastive learning (CFContra Table 1)."""

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

    Linear layers are 1x1 convolutions and BatchNorm1d is BatchNorm2d.

    Args:
        structure: ``'linear'``, ``'moco'``, ``'byol'`` or ``'simclr'``.
        in_channels: Channels of the backbone's last feature map.
        out_channels: Channels of every layer; ``in_channels`` if ``None``, as in the
            paper's code (2048).
        frozen: Whether the head keeps its random weights, as in the paper's code; the
            gradient then flows through it into the backbone alone.

    Raises:
        InputError: The structure is unknown.
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
                f'projection_head.structure: unknown structure {structure!r}; choose '
                f'one of {", ".join(_LAYERS)}'
            )
        out_channels = out_channels or in_channels
        layers: list[nn.Module] = []
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
