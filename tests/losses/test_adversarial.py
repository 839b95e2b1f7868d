import math

import pytest
import torch

from cfcontra_mm.losses import SOURCE, TARGET, least_squares_gan_loss, vanilla_gan_loss

SCORES = [-3.0, -0.5, 0.0, 0.2, 7.0]


def slow_vanilla(label, weights):
    terms = []
    for score, weight in zip(SCORES, weights, strict=True):
        p = 1 / (1 + math.exp(-score))
        terms.append(-weight * (label * math.log(p) + (1 - label) * math.log(1 - p)))
    return sum(terms) / len(terms)


@pytest.mark.parametrize('label', [SOURCE, TARGET])
def test_vanilla_is_the_binary_cross_entropy(label):
    scores = torch.tensor(SCORES).view(1, 1, 1, 5)
    plain = vanilla_gan_loss(scores, label)
    assert plain.item() == pytest.approx(slow_vanilla(label, [1] * 5), rel=1e-6)
    weights = [0.0, 2.0, 0.5, 1.0, 3.0]
    weighted = vanilla_gan_loss(scores, label, torch.tensor(weights))
    assert weighted.item() == pytest.approx(slow_vanilla(label, weights), rel=1e-6)


@pytest.mark.parametrize('label', [SOURCE, TARGET])
def test_least_squares(label):
    expected = sum((score - label) ** 2 for score in SCORES) / len(SCORES)
    found = least_squares_gan_loss(torch.tensor(SCORES), label)
    assert found.item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize('loss', [vanilla_gan_loss, least_squares_gan_loss])
@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_low_precision_is_computed_in_float32(loss, dtype):
    scores = torch.tensor(SCORES, dtype=dtype)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        found = loss(scores, TARGET)
    assert found.dtype == torch.float32
    assert torch.equal(found, loss(scores.float(), TARGET))


def test_extreme_scores_stay_finite_with_their_gradients():
    scores = torch.tensor([-1e4, 1e4], requires_grad=True)
    loss = vanilla_gan_loss(scores, SOURCE)
    loss.backward()
    assert loss.item() == pytest.approx(5e3)
    assert scores.grad.tolist() == [0, 0.5]


def test_the_weight_has_a_gradient():
    weight = torch.ones(5, requires_grad=True)
    vanilla_gan_loss(torch.tensor(SCORES), TARGET, weight).backward()
    for index, score in enumerate(SCORES):
        expected = math.log1p(math.exp(-score)) / 5
        assert weight.grad[index].item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize('loss', [vanilla_gan_loss, least_squares_gan_loss])
def test_double_precision_is_kept(loss):
    scores = torch.tensor(SCORES, dtype=torch.float64) / 3
    assert loss(scores, TARGET).dtype == torch.float64
    assert loss(scores, TARGET) != loss(scores.float(), TARGET)
