"""A frozen copy of a network, as the contract has it."""

import copy

import pytest
import torch
from helpers import case_of, random_batch
from mmseg.registry import MODELS

from cfcontra_mm.contract.tiny import build_optimizer
from cfcontra_mm.engine import domain_step
from cfcontra_mm.methods import UDASegmentor
from cfcontra_mm.models import Frozen


class KeepsFeatures(UDASegmentor):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.first = Frozen(self.backbone)

    def init_weights(self):
        super().init_weights()
        self.first.take(self.backbone)

    def source_losses(self, source):
        first = self.first(self.backbone, source.images)[-1]
        distance = (source.features[-1] - first).square().mean()
        return super().source_losses(source) | dict(loss_distance=distance)


@pytest.fixture(params=['deeplab', 'segformer'])
def case(request):
    return case_of('source_only', request.param)


@pytest.fixture
def model(case):
    cfg = case.load().model
    torch.manual_seed(0)
    model = KeepsFeatures(
        **{k: v for k, v in copy.deepcopy(cfg).items() if k != 'type'}
    )
    model.init_weights()
    return model.train()


def test_gives_the_features_of_the_start_in_test_mode(case, model):
    images = torch.randn(2, 3, 32, 64)
    before = copy.deepcopy(model.backbone)
    optim_wrapper = build_optimizer(model, case.load())
    for seed in range(2):
        domain_step(model, random_batch(seed), optim_wrapper)
    found = model.first(model.backbone, images)
    assert model.backbone.training
    # mmseg's networks give nothing back of eval().
    before.eval(), model.backbone.eval()
    with torch.no_grad():
        expected, now = before(images), model.backbone(images)
    for one, two in zip(found, expected, strict=True):
        torch.testing.assert_close(one, two)
    assert not torch.equal(found[-1], now[-1])
    assert not any(feature.requires_grad for feature in found)


def test_is_neither_trained_nor_saved_but_moved_with_the_method(model):
    assert not any(name.startswith('first') for name in model.state_dict())
    assert not list(model.first.parameters())
    model.double()
    assert {b.dtype for b in model.first.buffers() if b.is_floating_point()} == {
        torch.float64
    }


def test_a_method_that_is_built_again_takes_it_again(case, model):
    optim_wrapper = build_optimizer(model, case.load())
    domain_step(model, random_batch(0), optim_wrapper)
    settings = {k: v for k, v in case.load().model.items() if k != 'type'}
    torch.manual_seed(0)
    other = KeepsFeatures(**settings)
    other.init_weights()
    other.load_state_dict(model.state_dict())
    for name, value in model.first.named_buffers():
        assert torch.equal(value, dict(other.first.named_buffers())[name])
    assert MODELS.get('KeepsFeatures') is None
