"""The teacher's weights, statistics and predictions."""

import copy

import pytest
import torch
from helpers import build_method, tiny_config
from torch import nn

from cfcontra_mm.models import Teacher

STEPS = 5


@pytest.fixture
def model():
    return build_method(tiny_config('source_only').model)


@pytest.fixture
def images():
    return torch.randn(2, 3, 32, 64, generator=torch.Generator().manual_seed(1))


def moved(model, seed):
    """Let a model's weights and statistics be those of a further step."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in model.state_dict().values():
            if value.is_floating_point():
                value.add_(torch.rand(value.shape, generator=generator))
            else:
                value.add_(1)


def momentum_at(step, limit, after_step):
    """DAFormer's before the step; DACS's after the step before."""
    if after_step:
        step = max(step - 1, 0)
    return min(1 - 1 / (step + 1), limit)


@pytest.mark.parametrize('after_step', [False, True])
@pytest.mark.parametrize('limit', [0.0, 0.6, 0.99])
def test_momentum_of_the_first_steps(model, limit, after_step):
    teacher = Teacher(model, limit, after_step)
    wanted = {name: p.detach().double() for name, p in model.named_parameters()}
    momenta = []
    for step in range(STEPS):
        moved(model, step)
        teacher.follow(model)
        momenta.append(momentum_at(step, limit, after_step))
        for name, parameter in model.named_parameters():
            new = parameter.detach().double()
            wanted[name] = momenta[-1] * wanted[name] + (1 - momenta[-1]) * new
    if limit == 0.99:
        first = [0, 0, 1 / 2, 2 / 3, 3 / 4] if after_step else [0, 1 / 2, 2 / 3]
        assert momenta[: len(first)] == pytest.approx(first)
    found = teacher.weights()
    for name in wanted.keys() & found.keys():
        torch.testing.assert_close(found[name].double(), wanted[name], msg=name)
    assert teacher.steps == STEPS


def test_follows_all_that_predicts_and_nothing_else(model):
    names = set(Teacher(model, 0.9).weights())
    assert names == {
        name for name in model.state_dict() if not name.startswith('auxiliary_head.')
    }
    assert {'backbone.bn1.running_mean', 'decode_head.convs.0.bias'} <= names


def test_statistics_are_those_of_its_own_batches(model, images):
    teacher = Teacher(model, 0.9)
    moved(model, 0)
    teacher.follow(model)
    name = 'backbone.bn1.running_mean'
    # The start is that of a network whose pretrained weights have been loaded.
    assert torch.equal(teacher.weights()[name], model.state_dict()[name])
    moved(model, 1)
    before = teacher.weights()[name].clone()
    teacher.follow(model)
    assert torch.equal(teacher.weights()[name], before)
    student = copy.deepcopy(model.state_dict())
    teacher(model, images)
    means = nn.functional.conv2d(
        images, teacher.weights()['backbone.conv1.weight'], stride=2, padding=3
    ).mean(dim=(0, 2, 3))
    torch.testing.assert_close(
        teacher.weights()[name], 0.9 * before + 0.1 * means, rtol=1e-4, atol=1e-4
    )
    for key, value in model.state_dict().items():
        assert torch.equal(value, student[key]), key


def test_predicts_in_training_as_a_copy_would(model, images):
    teacher = Teacher(model, 0.9)
    copied = copy.deepcopy(model)
    moved(model, 0)
    found = teacher(model, images)
    with torch.no_grad():
        assert torch.equal(found, copied.logits(images))
    assert not found.requires_grad


def test_predicts_without_dropout_and_leaves_the_modes(model, images):
    model.decode_head.dropout = nn.Dropout2d(0.5)
    forward = model.decode_head.forward
    model.decode_head.forward = lambda x: model.decode_head.dropout(forward(x))
    model.backbone.layer1.eval()
    modes = {name: module.training for name, module in model.named_modules()}
    teacher = Teacher(model, 0.9)
    state = torch.get_rng_state()
    teacher(model, images)
    assert torch.equal(torch.get_rng_state(), state)
    assert modes == {name: module.training for name, module in model.named_modules()}
    assert len(set(modes.values())) == 2
    with torch.no_grad():
        model.logits(images)
    assert not torch.equal(torch.get_rng_state(), state)


def test_is_saved_and_goes_on(model):
    teacher = Teacher(model, 0.9)
    for step in range(2):
        moved(model, step)
        teacher.follow(model)
    other = Teacher(build_method(tiny_config('source_only').model, seed=1), 0.9)
    other.load_state_dict(teacher.state_dict(), strict=True)
    moved(model, 2)
    for one in (teacher, other):
        one.follow(model)
    found = other.state_dict()
    assert found.keys() == teacher.state_dict().keys()
    for name, value in teacher.state_dict().items():
        assert torch.equal(found[name], value), name


def test_belongs_to_no_optimiser(model):
    assert not list(Teacher(model, 0.9).parameters())
