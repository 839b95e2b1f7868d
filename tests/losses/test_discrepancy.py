import math

import pytest
import torch

from cfcontra_mm import losses
from cfcontra_mm.losses import disagreement_map, weight_similarity


def softmax(scores):
    powers = [math.exp(score - max(scores)) for score in scores]
    return [power / sum(powers) for power in powers]


def cosine(first, second):
    product = sum(a * b for a, b in zip(first, second, strict=True))
    return product / math.hypot(*first) / math.hypot(*second)


def test_disagreement_is_the_cosine_distance_of_each_pixel():
    generator = torch.Generator().manual_seed(0)
    first, second = (3 * torch.randn(2, 5, 3, 4, generator=generator) for _ in '12')
    found = disagreement_map(first, second)
    assert found.shape == (2, 1, 3, 4)
    for n, y, x in torch.cartesian_prod(*map(torch.arange, (2, 3, 4))).tolist():
        p1, p2 = (softmax(m[n, :, y, x].double().tolist()) for m in (first, second))
        assert found[n, 0, y, x].item() == pytest.approx(1 - cosine(p1, p2), abs=1e-6)


def test_disagreement_reaches_its_bounds():
    certain = torch.tensor([100.0, 0.0]).view(1, 2, 1, 1)
    assert disagreement_map(certain, certain).item() == pytest.approx(0, abs=1e-6)
    assert disagreement_map(certain, certain.flip(1)).item() == pytest.approx(1)


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float64])
def test_disagreement_is_computed_in_float32(dtype):
    logits = torch.randn(1, 4, 2, 2, generator=torch.Generator()).to(dtype)
    other = logits.flip(1)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        found = disagreement_map(logits, other)
    assert torch.equal(found, disagreement_map(logits.float(), other.float()))


def test_both_predictions_get_a_gradient():
    first = torch.tensor([0.5, 0.0]).view(1, 2, 1, 1).requires_grad_()
    second = torch.tensor([0.0, 0.3]).view(1, 2, 1, 1).requires_grad_()
    disagreement_map(first, second).sum().backward()
    assert first.grad[0, 0] > 0 > first.grad[0, 1]
    assert second.grad[0, 0] < 0 < second.grad[0, 1]


def test_similarity_is_that_of_all_parameters_as_one_vector():
    generator = torch.Generator().manual_seed(0)
    first, second = (
        [torch.randn(3, 2, generator=generator), torch.randn(4, generator=generator)]
        for _ in '12'
    )
    flat = [[*w.flatten().tolist(), *b.tolist()] for w, b in (first, second)]
    found = weight_similarity(first, second)
    assert found.item() == pytest.approx(cosine(*flat) + 1, rel=1e-5)
    assert weight_similarity(first, first).item() == pytest.approx(2)
    opposite = [-parameter for parameter in first]
    assert weight_similarity(first, opposite).item() == pytest.approx(0, abs=1e-6)


def test_similarity_keeps_its_precision_under_autocast():
    first, second = torch.ones(50), torch.linspace(0.9, 1.1, 50)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        found = weight_similarity([first], [second])
    assert torch.equal(found, weight_similarity([first], [second]))


def test_the_old_name_of_the_similarity_works_with_a_warning():
    with pytest.warns(FutureWarning, match='weight_divergence is now .*_similarity'):
        old = losses.weight_divergence
    assert old is weight_similarity
    with pytest.raises(AttributeError, match="no attribute 'weight_nothing'"):
        losses.weight_nothing  # noqa: B018
