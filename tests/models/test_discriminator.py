import pytest
import torch
from torch import nn

from cfcontra_mm.models import FCDiscriminator


@pytest.fixture
def discriminator():
    torch.manual_seed(0)
    return FCDiscriminator(19)


def test_five_convolutions_of_the_published_widths(discriminator):
    convs = [m for m in discriminator if isinstance(m, nn.Conv2d)]
    assert [conv.out_channels for conv in convs] == [64, 128, 256, 512, 1]
    assert convs[0].in_channels == 19
    for conv in convs:
        assert (conv.kernel_size, conv.stride, conv.padding) == ((4, 4), (2, 2), (1, 1))
    others = [m for m in discriminator if not isinstance(m, nn.Conv2d)]
    assert [m.negative_slope for m in others] == [0.2] * 4
    assert sum(p.numel() for p in discriminator.parameters()) == 2_781_121


@pytest.mark.parametrize(('height', 'width'), [(32, 64), (33, 95), (360, 640)])
def test_one_score_for_each_32_pixels(discriminator, height, width):
    scores = discriminator(torch.zeros(2, 19, height, width))
    assert scores.shape == (2, 1, height // 32, width // 32)


def test_frozen_scores_reach_the_maps_and_no_parameter(discriminator):
    maps = torch.randn(1, 19, 32, 64, requires_grad=True)
    frozen = discriminator.frozen(maps)
    assert torch.equal(frozen, discriminator(maps))
    frozen.sum().backward()
    assert maps.grad.abs().max() > 0
    assert all(p.grad is None and p.requires_grad for p in discriminator.parameters())


def test_maps_of_another_precision(discriminator):
    maps = torch.randn(1, 19, 32, 64)
    scores = discriminator.double()(maps)
    assert scores.dtype == torch.float64
    assert torch.equal(scores, discriminator(maps.double()))
