import math

import pytest
import torch
from torch.nn.functional import normalize

from cfcontra_mm.losses import class_contrastive_loss

IGNORE = 255


def slow_loss(features, labels, centers, valid, temperature, include_positive):
    """Eq. 8, one pixel and one class at a time; differentiable, in float64."""
    terms = []
    for feature, label in zip(features, labels.tolist(), strict=True):
        if label == IGNORE or not valid[label]:
            continue
        numerator = (feature @ centers[label] / temperature).exp()
        denominator = 0
        for k in range(len(centers)):
            if valid[k] and (include_positive or k != label):
                denominator = denominator + (feature @ centers[k] / temperature).exp()
        if not isinstance(denominator, int):
            terms.append(-(numerator / denominator).log())
    return sum(terms) / len(terms) if terms else features.sum() * 0


def case(seed=0, pixels=40, classes=7, dim=6):
    generator = torch.Generator().manual_seed(seed)
    features = normalize(torch.randn(pixels, dim, generator=generator), dim=1)
    centers = normalize(torch.randn(classes, dim, generator=generator), dim=1)
    labels = torch.randint(0, classes, (pixels,), generator=generator)
    labels[::5] = IGNORE
    valid = torch.ones(classes, dtype=torch.bool)
    valid[2] = False
    return features, labels, centers, valid


@pytest.mark.parametrize('include_positive', [True, False])
@pytest.mark.parametrize('temperature', [0.03, 0.07, 1.0])
@pytest.mark.parametrize('seed', range(3))
def test_loss_and_gradient_are_those_of_eq_8(seed, temperature, include_positive):
    features, labels, centers, valid = case(seed)
    slow_features = features.double().requires_grad_()
    reference = slow_loss(
        slow_features, labels, centers.double(), valid, temperature, include_positive
    )
    reference.backward()
    features.requires_grad_()
    loss = class_contrastive_loss(
        features, labels, centers, valid, temperature, include_positive
    )
    loss.backward()
    assert loss.shape == ()
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss.double(), reference, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(
        features.grad.double(), slow_features.grad, rtol=1e-4, atol=1e-6
    )


def test_hand_computed_value():
    features = torch.tensor([[1.0, 0.0]])
    centers = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    label, valid = torch.tensor([0]), torch.ones(3, dtype=torch.bool)
    negatives = math.exp(0) + math.exp(-2)
    found = class_contrastive_loss(features, label, centers, valid, 0.5, False)
    assert found.item() == pytest.approx(-2 + math.log(negatives))
    found = class_contrastive_loss(features, label, centers, valid, 0.5, True)
    assert found.item() == pytest.approx(-2 + math.log(math.exp(2) + negatives))


def test_rows_are_taken_as_given():
    features, labels, centers, valid = case()
    longer = class_contrastive_loss(3 * features, labels, centers, valid)
    reference = slow_loss(
        3 * features.double(), labels, centers.double(), valid, 0.07, True
    )
    torch.testing.assert_close(longer.double(), reference, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('include_positive', [True, False])
@pytest.mark.parametrize(
    'reason', ['all ignored', 'no class valid', 'other class valid', 'no pixels']
)
def test_no_valid_pixel_gives_zero_with_zero_gradient(reason, include_positive):
    features, labels, centers, valid = case()
    if reason == 'all ignored':
        labels = torch.full_like(labels, IGNORE)
    elif reason == 'no class valid':
        valid = torch.zeros_like(valid)
    elif reason == 'other class valid':
        labels, valid = torch.full_like(labels, 2), torch.arange(7) != 2
    else:
        features, labels = features[:0], labels[:0]
    features.requires_grad_()
    loss = class_contrastive_loss(
        features, labels, centers, valid, include_positive=include_positive
    )
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(features.grad, torch.zeros_like(features))


def test_single_valid_class_has_no_negatives():
    features, labels, centers, _ = case()
    valid = torch.arange(7) == 3
    for include_positive in (True, False):
        rows = features.clone().requires_grad_()
        loss = class_contrastive_loss(
            rows, labels, centers, valid, include_positive=include_positive
        )
        loss.backward()
        assert loss.item() == pytest.approx(0, abs=1e-6)
        torch.testing.assert_close(rows.grad, torch.zeros_like(rows))


def test_a_class_without_center_is_neither_positive_nor_negative():
    features, labels, centers, valid = case()
    expected = class_contrastive_loss(features, labels, centers, valid)
    moved = centers.clone()
    moved[2] = 1000
    relabelled = labels.where(labels != 2, IGNORE)
    found = class_contrastive_loss(features, relabelled, moved, valid)
    assert torch.equal(found, expected)


def test_ignored_rows_take_no_part():
    features, labels, centers, valid = case()
    rows = (labels != IGNORE) & valid[labels.where(labels != IGNORE, 0)]
    expected = class_contrastive_loss(features[rows], labels[rows], centers, valid)
    features = features.requires_grad_()
    found = class_contrastive_loss(features, labels, centers, valid)
    torch.testing.assert_close(found, expected)
    found.backward()
    assert features.grad[~rows].abs().max() == 0
    assert (features.grad[rows].abs().sum(1) > 0).all()


def test_another_ignore_index():
    features, labels, centers, valid = case()
    expected = class_contrastive_loss(features, labels, centers, valid)
    moved = labels.where(labels != IGNORE, -1)
    found = class_contrastive_loss(features, moved, centers, valid, ignore_index=-1)
    assert torch.equal(found, expected)


@pytest.mark.parametrize('dtype', [torch.uint8, torch.int16, torch.int32])
def test_integer_types_of_labels(dtype):
    features, labels, centers, valid = case()
    expected = class_contrastive_loss(features, labels, centers, valid)
    found = class_contrastive_loss(features, labels.to(dtype), centers, valid)
    assert torch.equal(found, expected)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_are_computed_in_float32(dtype):
    features, labels, centers, valid = case()
    rows = features.to(dtype).requires_grad_()
    loss = class_contrastive_loss(rows, labels, centers.to(dtype), valid, 0.01)
    reference = slow_loss(
        rows.detach().double(), labels, centers.to(dtype).double(), valid, 0.01, True
    )
    loss.backward()
    assert loss.dtype == torch.float32
    assert rows.grad.dtype == dtype
    torch.testing.assert_close(loss.double(), reference, rtol=1e-5, atol=1e-5)


def test_autocast_does_not_lower_the_precision():
    features, labels, centers, valid = case()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        found = class_contrastive_loss(features, labels, centers, valid)
    assert torch.equal(found, class_contrastive_loss(features, labels, centers, valid))


@pytest.mark.parametrize('include_positive', [True, False])
@pytest.mark.parametrize('scale', [1e3, 1e15])
def test_huge_features_stay_finite(scale, include_positive):
    features, labels, centers, valid = case()
    rows = (scale * features).requires_grad_()
    loss = class_contrastive_loss(
        rows, labels, centers, valid, include_positive=include_positive
    )
    loss.backward()
    assert loss.isfinite()
    assert rows.grad.isfinite().all()


def test_no_gradient_flows_into_the_centers():
    features, labels, centers, valid = case()
    centers.requires_grad_()
    features.requires_grad_()
    class_contrastive_loss(features, labels, centers, valid).backward()
    assert centers.grad is None


def test_inputs_are_left_as_they_were():
    inputs = case()
    copies = [tensor.clone() for tensor in inputs]
    class_contrastive_loss(*inputs, include_positive=False)
    assert all(torch.equal(a, b) for a, b in zip(inputs, copies, strict=True))


@pytest.mark.parametrize('include_positive', [True, False])
def test_a_step_down_the_gradient_draws_features_to_their_center(include_positive):
    features, labels, centers, valid = case()
    features.requires_grad_()
    class_contrastive_loss(
        features, labels, centers, valid, include_positive=include_positive
    ).backward()
    rows = (labels != IGNORE) & valid[labels.where(labels != IGNORE, 0)]
    own = centers[labels[rows]]
    nearer = ((features.detach() - features.grad)[rows] * own).sum(1)
    assert (nearer > (features.detach()[rows] * own).sum(1)).all()
