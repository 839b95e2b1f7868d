import math

import pytest
import torch

from cfcontra_mm.losses import entropy_map, weighted_self_information


def probabilities(scores):
    top = max(scores)
    powers = [math.exp(score - top) for score in scores]
    return [power / sum(powers) for power in powers]


def slow_self_information(logits):
    """-p log p / log C, one number at a time, in float64."""
    n, c, h, w = logits.shape
    out = torch.zeros(n, c, h, w, dtype=torch.float64)
    for i in range(n):
        for y in range(h):
            for x in range(w):
                p = probabilities(logits[i, :, y, x].tolist())
                for k in range(c):
                    if p[k] > 0:
                        out[i, k, y, x] = -p[k] * math.log(p[k]) / math.log(c)
    return out


@pytest.mark.parametrize('classes', [2, 5, 19])
@pytest.mark.parametrize('scale', [0.01, 1, 30])
def test_values_are_those_of_eq_2(classes, scale):
    logits = scale * torch.randn(2, classes, 3, 4, generator=torch.Generator())
    reference = slow_self_information(logits.double())
    found = weighted_self_information(logits)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), reference, atol=2e-6, rtol=1e-4)
    torch.testing.assert_close(
        entropy_map(logits).double(), reference.sum(1), atol=2e-6, rtol=1e-4
    )


def test_bounds_are_reached():
    uniform = entropy_map(torch.full((1, 19, 1, 1), 3.5))
    torch.testing.assert_close(uniform, torch.ones(1, 1, 1))
    certain = torch.zeros(1, 19, 1, 1)
    certain[:, 4] = 200
    assert entropy_map(certain).item() == 0
    two_of_four = torch.tensor([50.0, 50.0, -50.0, -50.0]).view(1, 4, 1, 1)
    torch.testing.assert_close(entropy_map(two_of_four), torch.full((1, 1, 1), 0.5))


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_are_computed_in_float32(dtype):
    logits = torch.randn(1, 19, 4, 4, generator=torch.Generator()).to(dtype)
    reference = slow_self_information(logits.double())
    found = weighted_self_information(logits)
    assert found.dtype == entropy_map(logits).dtype == torch.float32
    torch.testing.assert_close(found.double(), reference, atol=2e-6, rtol=1e-4)


def test_autocast_does_not_lower_the_precision():
    logits = torch.randn(1, 19, 4, 4, generator=torch.Generator())
    with torch.autocast('cpu', dtype=torch.bfloat16):
        found = entropy_map(logits)
    assert torch.equal(found, entropy_map(logits))


@pytest.mark.parametrize('extreme', [100.0, 1e4, 1e30])
def test_extreme_logits_stay_finite_with_their_gradients(extreme):
    logits = torch.tensor([extreme, -extreme, 0.0]).view(1, 3, 1, 1)
    logits.requires_grad_()
    entropy = entropy_map(logits)
    entropy.sum().backward()
    assert entropy.isfinite().all()
    assert logits.grad.isfinite().all()


def test_gradient_is_that_of_finite_differences():
    logits = torch.randn(1, 4, 2, 2, generator=torch.Generator()).requires_grad_()
    weight = torch.rand(1, 2, 2, generator=torch.Generator())
    (entropy_map(logits) * weight).sum().backward()
    step = 1e-5
    for place in range(logits.numel()):
        values = []
        for sign in (1, -1):
            moved = logits.detach().double().flatten()
            moved[place] += sign * step
            entropy = slow_self_information(moved.view_as(logits)).sum(1)
            values.append((entropy * weight).sum().item())
        slope = (values[0] - values[1]) / (2 * step)
        assert logits.grad.flatten()[place].item() == pytest.approx(slope, abs=1e-5)


def test_minimising_makes_predictions_certain():
    logits = torch.tensor([0.3, 0.1, 0.0]).view(1, 3, 1, 1).requires_grad_()
    entropy_map(logits).sum().backward()
    assert logits.grad.flatten()[0] < 0
