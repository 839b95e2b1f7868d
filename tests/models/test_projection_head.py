import pytest
import torch
from torch import nn

from cfcontra_mm.errors import InputError
from cfcontra_mm.models import ProjectionHead

# Table 1, column by column.
STRUCTURES = {
    'linear': ['Linear'],
    'moco': ['Linear', 'ReLU', 'Linear'],
    'byol': ['Linear', 'BatchNorm1d', 'ReLU', 'Linear'],
    'simclr': ['Linear', 'BatchNorm1d', 'ReLU', 'Linear', 'BatchNorm1d'],
}


def stack(structure, widths):
    """The module as the table names it, over rows of pixels."""
    layers = []
    for name in STRUCTURES[structure]:
        if name == 'Linear':
            layers.append(nn.Linear(*widths))
            widths = (widths[1], widths[1])
        else:
            layers.append(nn.ReLU() if name == 'ReLU' else nn.BatchNorm1d(widths[1]))
    return nn.Sequential(*layers)


def pair(structure):
    torch.manual_seed(0)
    head, reference = ProjectionHead(structure, 6, 4), stack(structure, (6, 4))
    for own, other in zip(reference, head, strict=True):
        for name, value in own.state_dict().items():
            if value.ndim:
                nn.init.uniform_(value, 0.5, 1.5)
            getattr(other, name).data.copy_(value.view_as(getattr(other, name)))
    return head, reference


@pytest.mark.parametrize('training', [True, False])
@pytest.mark.parametrize('structure', STRUCTURES)
def test_structures_of_table_1_pixel_by_pixel(structure, training):
    head, reference = pair(structure)
    head.train(training)
    reference.train(training)
    features = torch.randn(2, 6, 3, 5)
    rows = torch.stack(
        [features[n, :, y, x] for n in range(2) for y in range(3) for x in range(5)]
    )
    expected = reference(rows).view(2, 3, 5, 4).permute(0, 3, 1, 2)
    found = head(features)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    for own, other in zip(head.buffers(), reference.buffers(), strict=True):
        torch.testing.assert_close(own, other)


def test_frozen_head_passes_the_gradient_on_and_takes_none():
    head = ProjectionHead('simclr', 6, 4, frozen=True)
    features = torch.randn(2, 6, 3, 5, requires_grad=True)
    (head(features) ** 3).sum().backward()
    assert features.grad.any()
    assert not any(p.requires_grad or p.grad is not None for p in head.parameters())


def test_head_is_trained_by_default():
    head = ProjectionHead('moco', 6, 4)
    assert all(p.requires_grad for p in head.parameters())
    assert head.out_channels == 4


def test_unknown_structure():
    with pytest.raises(InputError, match=r"unknown structure 'mocco'; .* linear, moco"):
        ProjectionHead('mocco', 6, 4)
