"""Images become logits in ``encode_decode`` alone, whoever asks for them."""

import copy

import pytest
import torch
from helpers import (
    build_method,
    build_optimizer,
    random_batch,
    sample,
    tiny_config,
)
from torch import nn

from cfcontra_mm.engine import domain_step
from cfcontra_mm.methods import SourceOnly
from cfcontra_mm.methods.passes import DomainInputs
from cfcontra_mm.models import Teacher


class WithPrior(SourceOnly):
    """Learns how frequent each class is, apart from the image."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.prior = nn.Parameter(torch.zeros(19, 1, 1))
        self.calls = 0

    def encode_decode(self, inputs, batch_img_metas):
        self.calls += 1
        return super().encode_decode(inputs, batch_img_metas) + self.prior


@pytest.fixture
def cfg():
    cfg = tiny_config('source_only')
    cfg.model.type = WithPrior
    return cfg


@pytest.fixture
def model(cfg):
    return build_method(cfg.model)


@pytest.fixture
def images():
    return torch.randn(2, 3, 32, 64, generator=torch.Generator().manual_seed(1))


def without_prior(model):
    other = copy.deepcopy(model)
    other.prior.data.zero_()
    return other


def disturb(model):
    """Give a model a prior that shows."""
    model.prior.data = torch.linspace(-50, 50, 19).view(19, 1, 1)
    return model.prior.data


def test_training_learns_what_the_prediction_adds(model, cfg):
    optim_wrapper = build_optimizer(model, cfg)
    domain_step(model, random_batch(0), optim_wrapper)
    assert model.calls == 1
    assert model.prior.abs().max() > 0


def test_a_pass_sees_it(model, images):
    inputs = DomainInputs(images, None, [])
    before = model.view(inputs)
    prior = disturb(model)
    after = model.view(inputs)
    added = after.logits['decode'] - before.logits['decode']
    torch.testing.assert_close(added, prior.expand_as(added), atol=1e-2, rtol=0)
    assert torch.equal(after.logits['aux'], before.logits['aux'])
    assert torch.equal(after.features[-1], before.features[-1])
    assert model.calls == 2


def test_whoever_asks_for_logits_gets_it(model, images):
    model.eval()
    prior = disturb(model)
    with torch.no_grad():
        found = model.logits(images)
        assert torch.equal(model(images, mode='logits'), found)
        assert model.calls == 2
        added = found - without_prior(model).logits(images)
    torch.testing.assert_close(added, prior.expand_as(added), atol=1e-2, rtol=0)


@pytest.mark.parametrize('mode', ['whole', 'slide'])
def test_validation_sees_it(model, mode):
    model.eval()
    test_cfg = dict(mode=mode)
    if mode == 'slide':
        test_cfg |= dict(crop_size=(32, 32), stride=(32, 32))
    model.test_cfg = type(model.test_cfg)(test_cfg)
    prior = disturb(model)
    images = [torch.randint(0, 256, (3, 32, 64), dtype=torch.uint8) for _ in range(2)]
    data = dict(inputs=images, data_samples=[sample('target'), sample('target')])
    with torch.no_grad():
        found = model.test_step(copy.deepcopy(data))
        assert model.calls == (1 if mode == 'whole' else 2)
        bare = without_prior(model).test_step(copy.deepcopy(data))
    for one, two in zip(found, bare, strict=True):
        added = one.seg_logits.data - two.seg_logits.data
        torch.testing.assert_close(added, prior.expand_as(added), atol=1e-2, rtol=0)
        # A window's features are not the image's.
        assert ('head_agreement' in one) == (mode == 'whole')


def test_a_teacher_predicts_with_its_own(model, images):
    model.eval()
    prior = disturb(model).clone()
    teacher = Teacher(model, momentum=0.9)
    taught = model.logits(images)
    assert torch.equal(teacher(model, images), taught)
    assert model.calls == 2
    model.prior.data.zero_()
    assert torch.equal(teacher(model, images), taught)
    assert torch.equal(teacher.weights()['prior'], prior)
    teacher.follow(model)
    assert torch.equal(teacher.weights()['prior'], torch.zeros_like(prior))
    assert torch.equal(teacher(model, images), model.logits(images))
