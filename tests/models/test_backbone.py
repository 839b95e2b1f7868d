"""Where DeepLab's ResNet starts from: files that people have, and what they mean."""

import argparse

import pytest
import torch
import torchvision
from mmseg.registry import MODELS

from cfcontra_mm.errors import InputError
from cfcontra_mm.models import backbone
from cfcontra_mm.models.weights import trust_files


@pytest.fixture(autouse=True)
def _trust():
    yield
    trust_files(False)


def stem(weights):
    """The first convolution of a network with these initial weights."""
    cfg = dict(type='DeepLabResNet', depth=18, out_indices=(2, 3), weights=str(weights))
    network = MODELS.build(cfg)
    network.init_weights()
    return network.conv1.weight.detach()


@pytest.fixture(scope='module')
def state():
    return torchvision.models.resnet18(weights=None).state_dict()


def test_the_file_of_torchvision_is_what_torchvision_gives(
    state, tmp_path, monkeypatch
):
    monkeypatch.setattr(backbone, 'torchvision_weights', lambda *arguments: state)
    url = torchvision.models.ResNet18_Weights.IMAGENET1K_V1.url
    path = tmp_path / url.rsplit('/', 1)[-1]
    torch.save(state, path)
    assert torch.equal(stem(path), stem('torchvision'))
    torch.save(state, tmp_path / 'caffe.pth')
    assert torch.equal(stem(tmp_path / 'caffe.pth'), state['conv1.weight'])


def test_a_file_that_is_trusted_may_hold_more_than_tensors(state, tmp_path):
    path = tmp_path / 'a.pth'
    torch.save(dict(args=argparse.Namespace(lr=1), state_dict=state), path)
    with pytest.raises(InputError, match=r'a\.pth: .*--trust-checkpoint'):
        stem(path)
    trust_files(True)
    assert torch.equal(stem(path), state['conv1.weight'])
