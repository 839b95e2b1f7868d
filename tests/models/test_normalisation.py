"""Statistics of batch normalisation against slow float64 references."""

import copy

import pytest
import torch
from helpers import build_method, random_batch, sample, tiny_config
from torch import nn

from cfcontra_mm.models.normalisation import (
    batch_norms,
    batch_statistics,
    estimate_statistics,
    has_batch_statistics,
    running_statistics,
    set_statistics,
)


class Predictor(nn.Module):
    """As much of a segmentor as an estimate needs."""

    def __init__(self, *layers):
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def test_step(self, data):
        return self.layers(torch.stack(data['inputs']))


def batches(number, size, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shape = (number, size, 2, 3, 5)
    images = 3 + 2 * torch.randn(shape, generator=generator).double()
    return [dict(inputs=[*batch.float()]) for batch in images]


def pixels(data):
    """All values of each channel, in float64."""
    images = torch.stack([image for batch in data for image in batch['inputs']])
    return images.double().transpose(0, 1).flatten(1)


def test_the_first_layer_gets_mean_and_variance_of_all_pixels():
    # Uneven batches, and a layer that has seen something else.
    data = [*batches(3, 4), *batches(1, 1, seed=1)]
    network = Predictor(nn.BatchNorm2d(2), nn.Dropout(0.5))
    network.layers[0].running_mean.fill_(7)
    found = estimate_statistics(network, data)
    values = pixels(data)
    assert found.keys() == {'layers.0.running_mean', 'layers.0.running_var'}
    mean, variance = found.values()
    torch.testing.assert_close(mean.double(), values.mean(1), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(variance.double(), values.var(1), rtol=1e-5, atol=1e-6)
    assert mean.dtype == torch.float32


def test_deeper_layers_see_what_the_batches_own_statistics_normalise():
    data = batches(3, 4)
    network = Predictor(nn.BatchNorm2d(2), nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3))
    found = estimate_statistics(network, data)
    conv = copy.deepcopy(network.layers[1]).double()
    seen = []
    for batch in data:
        images = torch.stack(batch['inputs']).double()
        mean = images.mean((0, 2, 3), keepdim=True)
        variance = images.var((0, 2, 3), correction=0, keepdim=True)
        seen.append(conv((images - mean) / (variance + 1e-5).sqrt()))
    values = torch.cat(seen).transpose(0, 1).flatten(1)
    torch.testing.assert_close(
        found['layers.2.running_mean'].double(), values.mean(1), rtol=0, atol=1e-5
    )
    torch.testing.assert_close(
        found['layers.2.running_var'].double(), values.var(1), rtol=1e-4, atol=0
    )


def test_a_layer_that_is_used_twice_pools_both_uses():
    norm = nn.BatchNorm2d(2)
    data = batches(2, 4)
    found = estimate_statistics(Predictor(norm, norm), data)
    values = pixels(data)
    # The second use sees zero mean and unit variance.
    expected = values.mean(1) / 2
    torch.testing.assert_close(
        found['layers.0.running_mean'].double(), expected, rtol=1e-5, atol=1e-5
    )


def test_layers_that_average_over_ranks_do_not_wait_for_them():
    # On the CPU such a layer would refuse to run.
    found = estimate_statistics(Predictor(nn.SyncBatchNorm(2)), batches(2, 4))
    plain = estimate_statistics(Predictor(nn.BatchNorm2d(2)), batches(2, 4))
    assert all(torch.equal(found[name], plain[name]) for name in plain)


@pytest.mark.parametrize('training', [False, True])
def test_nothing_of_the_network_changes(training):
    model = build_method(tiny_config('cfcontra').model).train(training)
    model.backbone.bn1.eval()
    before = copy.deepcopy(model.state_dict())
    modes = [module.training for module in model.modules()]
    data = dict(inputs=random_batch(1)['inputs'], data_samples=[sample('target')] * 4)
    found = estimate_statistics(model, [data])
    after = model.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert [module.training for module in model.modules()] == modes
    assert all(norm.momentum == 0.1 for norm in batch_norms(model).values())
    assert not has_batch_statistics(model)
    assert {name.split('.')[0] for name in found} == {'backbone'}
    assert any(not torch.equal(before[name], value) for name, value in found.items())


def test_an_error_leaves_nothing_behind():
    network = Predictor(nn.BatchNorm2d(2))
    before = running_statistics(network)
    # A single value has no variance.
    data = [*batches(1, 4), dict(inputs=[torch.randn(2, 1, 1)])]
    with pytest.raises(ValueError, match='more than 1 value'):
        estimate_statistics(network, data)
    assert not has_batch_statistics(network)
    after = running_statistics(network)
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert network.layers[0].num_batches_tracked == 0
    with batch_statistics(network):
        assert has_batch_statistics(network)


def test_statistics_are_set_by_name():
    network = Predictor(nn.BatchNorm2d(2), nn.BatchNorm2d(2))
    set_statistics(network, {'layers.1.running_mean': torch.tensor([1.0, 2.0])})
    found = running_statistics(network)
    assert found['layers.1.running_mean'].tolist() == [1, 2]
    assert found['layers.0.running_mean'].tolist() == [0, 0]
    assert len(found) == 4


def test_layers_without_running_statistics_have_none():
    layers = [nn.BatchNorm2d(2, track_running_stats=False), nn.InstanceNorm2d(2)]
    assert batch_norms(nn.Sequential(*layers)) == {}
    assert estimate_statistics(Predictor(*layers), batches(1, 4)) == {}


def test_a_layer_with_two_names_gets_the_estimate_under_both():
    network = Predictor(nn.BatchNorm2d(2))
    network.other = network.layers[0]
    found = estimate_statistics(network, batches(2, 4))
    assert len(found) == 4
    assert torch.equal(found['other.running_mean'], found['layers.0.running_mean'])
    assert not has_batch_statistics(network)
