import math

import pytest
import torch
from helpers import grid_place

from cfcontra_mm.models import ClassCenterBank
from cfcontra_mm.models.class_centers import (
    assign_pseudo_labels,
    class_sums,
    labels_on_grid,
)

IGNORE = 255


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def slow_sums(features, labels, classes):
    sums = torch.zeros(classes, features.shape[1], dtype=torch.float64)
    counts = [0] * classes
    for feature, label in zip(features.double(), labels.tolist(), strict=True):
        if label != IGNORE:
            sums[label] += feature
            counts[label] += 1
    return sums, torch.tensor(counts)


def slow_pseudo_labels(features, centers, valid, threshold):
    """Eqs. 10-12, one pixel at a time, in float64."""
    labels = []
    for feature in features.double():
        distances = {
            k: math.sqrt(((feature - centers[k].double()) ** 2).sum().item())
            for k in range(len(centers))
            if valid[k]
        }
        nearest = min(distances, key=distances.get, default=IGNORE)
        others = [d for k, d in distances.items() if k != nearest]
        certain = not others or min(others) - distances[nearest] > threshold
        labels.append(nearest if certain else IGNORE)
    return torch.tensor(labels)


@pytest.mark.parametrize('dtype', [torch.uint8, torch.int32, torch.int64])
def test_sums_and_counts(dtype):
    features = random(200, 5)
    labels = torch.arange(200) % 8
    labels[labels == 6] = IGNORE
    sums, counts = class_sums(features, labels.to(dtype), 9)
    expected, expected_counts = slow_sums(features, labels, 9)
    assert sums.dtype == counts.dtype == torch.float32
    torch.testing.assert_close(sums.double(), expected, rtol=1e-5, atol=1e-5)
    assert counts.tolist() == expected_counts.tolist()
    assert counts[[6, 8]].tolist() == [0, 0]


def test_sums_of_nothing():
    labels = torch.full((4,), IGNORE)
    for features, rows in ((random(4, 3), labels), (random(0, 3), labels[:0])):
        sums, counts = class_sums(features, rows, 2)
        assert not sums.any()
        assert not counts.any()


def test_sums_with_another_ignore_index():
    sums, counts = class_sums(torch.ones(3, 2), torch.tensor([0, -1, 0]), 2, -1)
    assert counts.tolist() == [2, 0]
    assert sums.tolist() == [[2, 2], [0, 0]]


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_features_are_summed_in_float32(dtype):
    features = random(5000, 3).abs().to(dtype) + 1
    labels = torch.zeros(5000, dtype=torch.long)
    expected = slow_sums(features, labels, 1)[0]
    with torch.autocast('cpu', dtype=torch.bfloat16):
        sums, counts = class_sums(features, labels, 1)
    assert counts.item() == 5000
    torch.testing.assert_close(sums.double(), expected, rtol=1e-5, atol=0)


@pytest.mark.parametrize('threshold', [0.0, 0.05, 0.5])
@pytest.mark.parametrize('seed', range(3))
def test_pseudo_labels_are_those_of_eqs_10_to_12(seed, threshold):
    features = torch.nn.functional.normalize(random(300, 8, seed=seed), dim=1)
    centers = torch.nn.functional.normalize(random(7, 8, seed=seed + 9), dim=1)
    valid = torch.ones(7, dtype=torch.bool)
    valid[4] = False
    labels = assign_pseudo_labels(features, centers, valid, threshold)
    expected = slow_pseudo_labels(features, centers, valid, threshold)
    assert labels.dtype == torch.int64
    assert torch.equal(labels, expected)
    assert 4 not in labels
    if threshold:
        assert 0 < (labels == IGNORE).sum() < len(labels)


@pytest.mark.parametrize(('norm', 'offset'), [(30.0, 0.0), (30.0, 10.0)])
def test_pseudo_labels_of_raw_features(norm, offset):
    """Raw features are long and far from the origin; distances must stay exact."""
    centers = norm * torch.nn.functional.normalize(random(19, 256), dim=1) + offset
    near = torch.arange(2000) % 19
    features = centers[near] + random(2000, 256, seed=1) * norm / 16
    valid = torch.ones(19, dtype=torch.bool)
    distances = torch.tensor(
        [[(f - c).norm() for c in centers.double()] for f in features[:200].double()]
    )
    first, second = distances.topk(2, largest=False).values.T
    gap = second - first
    threshold = gap.median().item()
    labels = assign_pseudo_labels(features[:200], centers, valid, threshold)
    expected = slow_pseudo_labels(features[:200], centers, valid, threshold)
    decided = (gap - threshold).abs() > 1e-3
    assert decided.sum() > 150
    assert torch.equal(labels[decided], expected[decided])


def test_a_gap_of_the_threshold_itself_is_ignored():
    centers = torch.tensor([[0.0], [3.0]])
    features = torch.tensor([[0.0], [0.75], [1.0], [1.5], [2.0], [3.0]])
    valid = torch.ones(2, dtype=torch.bool)
    # The gaps are 3, 1.5, 1, 0, 1, 3.
    labels = assign_pseudo_labels(features, centers, valid, 1.0)
    assert labels.tolist() == [0, 0, IGNORE, IGNORE, IGNORE, 1]


def test_ties_are_ignored_even_without_threshold():
    centers = torch.tensor([[1.0, 0.0], [1.0, 0.0], [9.0, 9.0]])
    features = torch.tensor([[1.0, 0.0], [9.0, 9.0]])
    labels = assign_pseudo_labels(
        features, centers, torch.ones(3, dtype=torch.bool), 0.0
    )
    assert labels.tolist() == [IGNORE, 2]


def test_a_class_never_seen_is_never_assigned_nor_second():
    centers = torch.tensor([[0.0], [0.01], [5.0]])
    features = torch.tensor([[0.01], [5.0]])
    valid = torch.tensor([True, False, True])
    assert assign_pseudo_labels(features, centers, valid, 1.0).tolist() == [0, 2]


def test_one_and_no_valid_class():
    features, centers = random(5, 3), random(4, 3, seed=1)
    only = torch.arange(4) == 2
    assert assign_pseudo_labels(features, centers, only, 0.05).tolist() == [2] * 5
    none = torch.zeros(4, dtype=torch.bool)
    assert assign_pseudo_labels(features, centers, none, 0.05).tolist() == [IGNORE] * 5
    single = assign_pseudo_labels(features, centers[:1], only[2:3], 0.05)
    assert single.tolist() == [0] * 5
    assert assign_pseudo_labels(features[:0], centers, only, 0.05).shape == (0,)


def test_a_pixel_that_is_not_finite_is_ignored():
    features = torch.tensor([[math.nan, 0.0], [1.0, 0.0]])
    centers = torch.eye(2)
    labels = assign_pseudo_labels(
        features, centers, torch.ones(2, dtype=torch.bool), 0.1
    )
    assert labels.tolist() == [IGNORE, 0]


def test_another_ignore_index_and_precision():
    features, centers = random(50, 6).half(), random(3, 6, seed=1)
    valid = torch.ones(3, dtype=torch.bool)
    expected = slow_pseudo_labels(features, centers, valid, 0.5)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        labels = assign_pseudo_labels(features, centers, valid, 0.5, ignore_index=-1)
    assert torch.equal(labels, expected.where(expected != IGNORE, -1))
    assert -1 in labels


class SlowBank:
    """Eqs. 9 and 13-17 on lists of features, in float64."""

    def __init__(self, classes, momentum):
        self.momentum = momentum
        self.centers = {domain: [None] * classes for domain in ('source', 'target')}

    def update(self, domain, features, labels):
        for k, old in enumerate(self.centers[domain]):
            rows = [
                f
                for f, label in zip(features.double(), labels.tolist(), strict=True)
                if label == k
            ]
            if not rows:
                continue
            mean = sum(rows) / len(rows)
            new = (
                self.momentum * old + (1 - self.momentum) * mean
                if old is not None
                else mean
            )
            self.centers[domain][k] = new

    def check(self, bank):
        for domain, centers in self.centers.items():
            found, seen = bank.of(domain)
            assert seen.tolist() == [center is not None for center in centers]
            for k, center in enumerate(centers):
                expected = torch.zeros(found.shape[1]) if center is None else center
                torch.testing.assert_close(
                    found[k].double(), expected.double(), rtol=1e-5, atol=1e-6
                )


@pytest.mark.parametrize('momentum', [0.0, 0.9, 0.99])
def test_centers_move_as_eqs_9_and_13_to_17_say(momentum):
    bank, slow = ClassCenterBank(6, 4, momentum), SlowBank(6, momentum)
    for iteration in range(5):
        for place, domain in enumerate(('source', 'target')):
            features = random(30, 4, seed=2 * iteration + place)
            # Class 5 comes late, class 2 leaves, class 4 is never seen.
            labels = torch.arange(30) % (4 if iteration < 2 else 6)
            labels[labels == 4] = IGNORE
            if iteration > 2:
                labels[labels == 2] = IGNORE
            for part in (slice(0, 7), slice(7, None)):
                bank.accumulate(domain, features[part], labels[part])
            slow.update(domain, features, labels)
        bank.update()
        slow.check(bank)


def test_centers_move_only_when_told():
    bank = ClassCenterBank(2, 3)
    bank.accumulate('source', torch.ones(4, 3), torch.zeros(4, dtype=torch.long))
    assert not bank.centers.any()
    assert not bank.initialized.any()
    bank.update()
    assert bank.centers[0].tolist() == [[1, 1, 1], [0, 0, 0]]
    assert bank.initialized.tolist() == [[True, False], [False, False]]
    before = bank.centers.clone()
    bank.update()
    assert torch.equal(bank.centers, before)


def test_an_absent_class_does_not_move_at_all():
    bank = ClassCenterBank(3, 8, momentum=0.9)
    labels = torch.arange(60) % 3
    bank.accumulate('target', random(60, 8), labels)
    bank.update()
    before = bank.centers.clone()
    bank.accumulate('target', random(60, 8, seed=1), labels.where(labels != 1, IGNORE))
    bank.update()
    assert torch.equal(bank.centers[1, 1], before[1, 1])
    assert not torch.equal(bank.centers[1, 0], before[1, 0])


def test_centers_carry_no_graph():
    bank = ClassCenterBank(2, 3)
    features = random(4, 3).requires_grad_()
    bank.accumulate('source', features, torch.tensor([0, 1, 0, 1]))
    bank.update()
    assert not bank.centers.requires_grad
    assert not bank.sums.requires_grad


def test_state_dict_holds_the_centers_and_which_are_set():
    bank = ClassCenterBank(3, 4)
    bank.accumulate('source', random(6, 4), torch.arange(6) % 2)
    bank.update()
    state = bank.state_dict()
    assert set(state) == {'centers', 'initialized'}
    other = ClassCenterBank(3, 4)
    other.load_state_dict(state)
    assert torch.equal(other.centers, bank.centers)
    assert torch.equal(other.initialized, bank.initialized)


def test_pseudo_labels_are_exact_far_from_the_origin():
    generator = torch.Generator().manual_seed(0)
    centers = 50 + 0.01 * torch.randn(5, 64, generator=generator)
    truth = torch.randint(0, 5, (400,), generator=generator)
    features = centers[truth] + 1e-3 * torch.randn(400, 64, generator=generator)
    valid = torch.ones(5, dtype=torch.bool)
    exact = torch.cdist(features.double(), centers.double()).sort(dim=1).values
    gap = exact[:, 1] - exact[:, 0]
    threshold = gap.median().item()
    found = assign_pseudo_labels(features, centers, valid, threshold)
    clear = (gap - threshold).abs() > 1e-4
    expected = truth.where(gap > threshold, 255)
    assert torch.equal(found[clear], expected[clear])


@pytest.mark.parametrize(
    ('pixels', 'cells'),
    [
        ((128, 256), (17, 33)),
        ((720, 1280), (91, 161)),
        ((9, 7), (9, 7)),
        ((8, 8), (1, 3)),
    ],
)
def test_labels_are_taken_where_the_features_lie(pixels, cells):
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 256, (2, *pixels), generator=generator)
    found = labels_on_grid(labels, cells)
    assert found.shape == (2, *cells)
    assert found.dtype == labels.dtype
    for y in range(cells[0]):
        for x in range(cells[1]):
            place = (
                grid_place(y, cells[0], pixels[0]),
                grid_place(x, cells[1], pixels[1]),
            )
            assert torch.equal(found[:, y, x], labels[:, place[0], place[1]])


def test_the_grid_is_that_of_logits_upsampled_with_aligned_corners():
    cells = torch.arange(5 * 9, dtype=torch.float64).view(1, 1, 5, 9)
    maps = torch.nn.functional.interpolate(
        cells, (33, 65), mode='bilinear', align_corners=True
    )
    assert torch.allclose(labels_on_grid(maps[0], (5, 9)), cells[0])


@pytest.mark.parametrize(('length', 'number'), [(64, 8), (32, 32), (33, 4), (7, 3)])
def test_without_aligned_corners_features_lie_at_the_centres_of_their_patches(
    length, number
):
    labels = torch.arange(length).expand(1, 1, length)
    found = labels_on_grid(labels, (1, number), align_corners=False)[0, 0].tolist()
    places = [(i + 0.5) * length / number - 0.5 for i in range(number)]
    assert all(abs(a - b) <= 0.5 + 1e-9 for a, b in zip(found, places, strict=True))
