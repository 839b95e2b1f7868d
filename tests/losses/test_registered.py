"""The registered losses: built of a config, weighed, and those of the equations."""

import math

import pytest
import torch
from mmengine.structures import PixelData
from mmseg.models.decode_heads import FCNHead
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from cfcontra_mm.errors import InputError
from cfcontra_mm.losses import SOURCE, TARGET
from cfcontra_mm.losses.weighted import WeightedLoss

NAMES = {
    'EntropyLoss': 'loss_ent',
    'GANLoss': 'loss_adv',
    'WeightDiscrepancyLoss': 'loss_divergence',
    'ClassContrastiveLoss': 'loss_contra',
}


def build(kind, **settings):
    return MODELS.build(dict(type=kind, **settings))


def numbers(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator)


def close(found, wanted):
    torch.testing.assert_close(
        found.double(), torch.as_tensor(wanted).double(), rtol=1e-5, atol=1e-7
    )


def slow_entropy(logits):
    """Mean over pixels of the entropy divided by its maximum."""
    total, (n, c, h, w) = 0.0, logits.shape
    for pixel in logits.double().permute(0, 2, 3, 1).reshape(-1, c).tolist():
        exponentials = [math.exp(value) for value in pixel]
        shares = [value / sum(exponentials) for value in exponentials]
        total -= sum(p * math.log(p) for p in shares) / math.log(c)
    return total / (n * h * w)


def slow_gan(scores, label, weights, kind):
    """Mean over scores of the weighted loss."""
    total = 0.0
    pairs = torch.stack([scores, weights]).double().flatten(1).T.tolist()
    for score, weight in pairs:
        if kind == 'lsgan':
            total += weight * (score - label) ** 2
        else:
            p = 1 / (1 + math.exp(-score))
            total -= weight * math.log(p if label == TARGET else 1 - p)
    return total / scores.numel()


@pytest.mark.parametrize('kind', NAMES)
def test_a_config_weighs_and_names_it(kind):
    default = build(kind)
    assert isinstance(default, WeightedLoss)
    assert (default.loss_weight, default.loss_name) == (1.0, NAMES[kind])
    named = build(kind, loss_weight=0.25, loss_name='loss_mine')
    assert (named.loss_weight, named.loss_name) == (0.25, 'loss_mine')
    assert 'loss_weight=0.25' in repr(named)
    assert not list(named.state_dict())


def test_entropy():
    logits = numbers(2, 5, 3, 4)
    close(build('EntropyLoss', loss_weight=0.3)(logits), 0.3 * slow_entropy(logits))


def test_entropy_in_a_plain_head():
    losses = [
        dict(type='CrossEntropyLoss', avg_non_ignore=True),
        dict(type='EntropyLoss', loss_weight=0.01),
    ]
    head = FCNHead(
        in_channels=4, channels=4, num_classes=5, num_convs=1, loss_decode=losses
    )
    logits, labels = numbers(2, 5, 6, 8), torch.zeros(2, 1, 6, 8).long()
    samples = [SegDataSample(gt_sem_seg=PixelData(data=label)) for label in labels]
    found = head.loss_by_feat(logits, samples)
    close(found['loss_ent'], 0.01 * slow_entropy(logits))
    assert found['loss_ce'] > 0


@pytest.mark.parametrize('kind', ['vanilla', 'lsgan'])
@pytest.mark.parametrize('label', [SOURCE, TARGET])
def test_gan(kind, label):
    loss, scores = (
        build('GANLoss', gan_type=kind, loss_weight=1e-3),
        numbers(2, 1, 3, 5),
    )
    weights = numbers(2, 1, 3, 5, seed=1).abs()
    for given in (None, weights):
        options = {} if given is None else dict(weight=given)
        wanted = slow_gan(
            scores, label, torch.ones(2, 1, 3, 5) if given is None else given, kind
        )
        close(loss(scores, label, **options), 1e-3 * wanted)
        close(loss(scores, label, factor=0.5, **options), 0.5e-3 * wanted)
        # The discriminator's has no weight.
        close(loss(scores, label, is_disc=True, **options), wanted)
        close(loss(scores, label, is_disc=True, factor=0.5, **options), wanted)


def test_unknown_gan():
    with pytest.raises(InputError, match='wgan'):
        build('GANLoss', gan_type='wgan')


def test_weight_discrepancy():
    first, second = ([numbers(3, 2, seed=n), numbers(3, seed=n + 9)] for n in (1, 2))
    one, two = (
        [v for p in layer for v in p.double().flatten().tolist()]
        for layer in (first, second)
    )
    product = sum(a * b for a, b in zip(one, two, strict=True))
    cosine = product / math.sqrt(sum(a * a for a in one) * sum(b * b for b in two))
    loss = build('WeightDiscrepancyLoss', loss_weight=0.01)
    close(loss(first, second), 0.01 * (cosine + 1))
    close(loss(iter(first), iter(second), factor=1.5), 0.015 * (cosine + 1))
    close(loss(first, [-p for p in first]), 0)


@pytest.mark.parametrize('include_positive', [True, False])
def test_class_contrast(include_positive):
    features, centers = numbers(6, 4), numbers(5, 4, seed=1)
    labels = torch.tensor([0, 1, 4, 255, 3, 1])
    valid = torch.tensor([True, True, True, False, True])
    total, count = 0.0, 0
    for feature, label in zip(features.double(), labels.tolist(), strict=True):
        if label == 255 or not valid[label]:
            continue
        products = [math.exp(feature @ center / 0.5) for center in centers.double()]
        others = [
            products[k]
            for k in range(5)
            if valid[k] and (include_positive or k != label)
        ]
        total -= math.log(products[label] / sum(others))
        count += 1
    loss = build(
        'ClassContrastiveLoss',
        temperature=0.5,
        include_positive=include_positive,
        loss_weight=1e-3,
    )
    close(loss(features, labels, centers, valid), 1e-3 * total / count)


def test_published_settings_are_the_defaults():
    loss = build('ClassContrastiveLoss')
    assert (loss.temperature, loss.include_positive) == (0.07, True)
