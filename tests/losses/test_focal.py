import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from cfcontra_mm.losses import focal_loss


@pytest.fixture
def pixels():
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 5, (2, 3, 4), generator=generator)
    labels[0, 0] = 255
    return 4 * torch.randn(2, 5, 3, 4, generator=generator), labels


def slow_focal(logits, labels, gamma):
    terms = []
    for scores, label in zip(
        logits.double().permute(0, 2, 3, 1).reshape(-1, 5).tolist(),
        labels.flatten().tolist(),
        strict=True,
    ):
        if label != 255:
            p = math.exp(scores[label]) / sum(math.exp(score) for score in scores)
            terms.append(-((1 - p) ** gamma) * math.log(p))
    return sum(terms) / len(terms)


@pytest.mark.parametrize('gamma', [0.5, 1.0, 2.0])
def test_values_are_those_of_the_equation(pixels, gamma):
    found = focal_loss(*pixels, gamma)
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(slow_focal(*pixels, gamma), rel=1e-5)


def test_without_the_exponent_it_is_the_cross_entropy(pixels):
    torch.testing.assert_close(
        focal_loss(*pixels, 0.0), cross_entropy(*pixels, ignore_index=255)
    )


def test_certain_and_unlabelled_pixels_have_finite_gradients():
    logits = torch.tensor([1e4, 0.0, -1e4]).view(1, 3, 1, 1).expand(1, 3, 1, 3)
    logits = logits.clone().requires_grad_()
    loss = focal_loss(logits, torch.tensor([[[0, 2, 255]]]), 0.5)
    loss.backward()
    assert loss.item() == pytest.approx(1e4)
    assert logits.grad.isfinite().all()
    nothing = focal_loss(logits, torch.full((1, 1, 3), 255), 2.0)
    assert nothing.item() == 0
