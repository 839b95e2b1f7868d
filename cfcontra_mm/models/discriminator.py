"""Discriminators, which tell the domains apart."""

from torch import Tensor, nn
from torch.func import functional_call

WIDTHS = (64, 128, 256, 512)


class FCDiscriminator(nn.Sequential):
    """Fully convolutional discriminator (Tsai et al., AdaptSegNet, CVPR 2018).

    Five 4x4 convolutions of stride 2, of 64, 128, 256, 512 and 1 channels, with
    LeakyReLU of slope 0.2 between them and no normalisation. It is used in training
    only.

    Args:
        in_channels: Channels of the input maps, the number of classes.
    """

    def __init__(self, in_channels: int) -> None:
        layers: list[nn.Module] = []
        for width in WIDTHS:
            layers += [nn.Conv2d(in_channels, width, 4, 2, 1), nn.LeakyReLU(0.2)]
            in_channels = width
        super().__init__(*layers, nn.Conv2d(in_channels, 1, 4, 2, 1))

    def forward(self, maps: Tensor) -> Tensor:
        """Score maps (N, C, H, W); return (N, 1, H / 32, W / 32), rounded down."""
        return super().forward(maps.to(next(self.parameters()).dtype))

    def frozen(self, maps: Tensor) -> Tensor:
        """Score maps with a gradient for the maps but for no parameter."""
        constants = {name: p.detach() for name, p in self.named_parameters()}
        return functional_call(self, constants, maps)
