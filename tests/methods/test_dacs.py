"""Three steps of DACS against a restatement in float64, image by image.

The restatement has a student and a teacher that are networks of their own, in the order
of the published code: losses, the optimiser's step, then the teacher.
"""

import copy
import math
import random

import numpy as np
import pytest
import torch
from helpers import build_method, build_optimizer, random_batch, tiny_config
from slow_augmentation import SIGMAS, blur, drawn_jitter, jitter
from torch import nn
from torch.nn.functional import cross_entropy, interpolate

from cfcontra_mm.datasets.domain import seeded, seeded_as
from cfcontra_mm.engine import domain_step
from cfcontra_mm.engine.step import OF_STEP
from cfcontra_mm.errors import InputError
from cfcontra_mm.methods.passes import DomainInputs, domain_inputs

SEED, SIZE, STEPS = 11, (32, 64), 3
THRESHOLD, MOMENTUM = 0.968, 0.99


@pytest.fixture
def cfg():
    return tiny_config('dacs')


def drawn_batch(step):
    """A batch whose samples name their draws, as the loader's do."""
    batch = random_batch(step)
    for place, sample in enumerate(batch['data_samples']):
        sample.set_metainfo(dict(draw=(SEED, 4 * step + place), step=step))
    return batch


class Network(nn.Module):
    """The backbone and the two heads alone."""

    def __init__(self, method):
        super().__init__()
        self.backbone = copy.deepcopy(method.backbone)
        self.decode_head = copy.deepcopy(method.decode_head)
        self.auxiliary_head = copy.deepcopy(method.auxiliary_head)

    def forward(self, images):
        """Logits of both heads at the images' size."""
        features = self.backbone(images)
        return [
            interpolate(head(features), SIZE, mode='bilinear', align_corners=True)
            for head in (self.decode_head, self.auxiliary_head)
        ]


def loss_of(scores, labels, weights, divisor):
    """Sum of the weighted cross-entropies of all pixels, divided."""
    total = 0.0
    for logits, classes, weight in zip(scores, labels, weights, strict=True):
        losses = cross_entropy(
            logits[None], classes[None], ignore_index=255, reduction='none'
        )
        total = total + (losses[0] * weight).sum()
    return total / divisor


def chosen(labels, sample):
    """Half of the classes of a label map, 255 among them, rounded up."""
    with seeded_as(sample):
        lots = torch.rand(256).tolist()
    present = sorted(set(labels.flatten().tolist()), key=lots.__getitem__)
    return present[: math.ceil(len(present) / 2)]


def mixed(step, source, target, pseudo):
    """Images, labels and masks: each source image on the target image of its place."""
    with seeded(SEED, step, OF_STEP):
        changes = random.random() > 0.2, random.random() > 0.5
    images, labels, masks = [], [], []
    for n, image in enumerate(target.images):
        mask = np.isin(
            source.labels[n], chosen(source.labels[n], source.data_samples[n])
        )
        image = np.where(mask, source.images[n], image)
        labels.append(np.where(mask, source.labels[n], pseudo[n]))
        images.append(augmented(image, target.data_samples[n], *changes))
        masks.append(mask)
    return (torch.from_numpy(np.stack(arrays)) for arrays in (images, labels, masks))


MEAN = np.array([104.00698793, 116.66876762, 122.67891434]).reshape(3, 1, 1)


def augmented(image, sample, jittered, blurred):
    with seeded_as(sample):
        if jittered:
            colors = jitter((image + MEAN) / 255, *drawn_jitter(0.25))
            image = colors * 255 - MEAN
        return blur(image, random.uniform(*SIGMAS)) if blurred else image


def slow_step(step, student, teacher, optimizer, source, target):
    """One step; returns the pseudo-labels and the weight of the target's pixels."""
    losses = [
        loss_of(
            logits, source.labels, torch.ones(2, *SIZE), (source.labels != 255).sum()
        )
        for logits in student(source.images)
    ]
    with torch.no_grad():
        probability, pseudo = teacher(target.images)[0].softmax(dim=1).max(dim=1)
    assert (probability - THRESHOLD).abs().min() > 5e-7
    share = (probability >= THRESHOLD).sum().item() / probability.numel()
    images, labels, masks = mixed(step, source, target, pseudo)
    weights = masks.double() + share * (~masks).double()
    losses += [
        loss_of(logits, labels, weights, labels.numel()) for logits in student(images)
    ]
    optimizer.zero_grad()
    (losses[0] + 0.1 * losses[1] + losses[2] + 0.1 * losses[3]).backward()
    optimizer.step()
    follow(teacher, student, min(1 - 1 / (step + 1), MOMENTUM))
    return pseudo, share, losses


@torch.no_grad()
def follow(teacher, student, momentum):
    for own, new in zip(teacher.parameters(), student.parameters(), strict=True):
        own.copy_(momentum * own + (1 - momentum) * new)


def same(found, wanted, name):
    assert found.keys() >= wanted.keys()
    for key, value in wanted.items():
        torch.testing.assert_close(
            found[key], value, rtol=1e-7, atol=1e-7, msg=f'{name}: {key}'
        )


def test_three_steps_are_those_of_the_published_order(cfg, monkeypatch):
    settings = dict(lr=1e-4, momentum=0.9, weight_decay=5e-4)
    cfg.optim_wrapper.optimizer = dict(type='SGD', **settings)
    model = build_method(cfg.model).double()
    with torch.no_grad():
        for parameter in model.decode_head.parameters():
            parameter.mul_(4)  # so that the teacher is sure of some pixels
    student, teacher = Network(model).train(), Network(model).train()
    optimizer = torch.optim.SGD(student.parameters(), **settings)
    optim_wrapper = build_optimizer(model, cfg)
    seen = []

    def spy(images):
        seen.append(pseudo_labels(images))
        return seen[-1]

    pseudo_labels = model.pseudo_labels
    monkeypatch.setattr(model, 'pseudo_labels', spy)
    shares = []
    for step in range(STEPS):
        batch = drawn_batch(step)
        parts = model.data_preprocessor(copy.deepcopy(batch), training=True)
        domains = [domain_inputs(parts, name) for name in ('source', 'target')]
        pseudo, share, losses = slow_step(step, student, teacher, optimizer, *domains)
        log = domain_step(model, batch, optim_wrapper)
        assert torch.equal(seen[step][0], pseudo)
        assert seen[step][1].item() == pytest.approx(share, rel=1e-6)
        wanted = zip(
            ('source.decode', 'source.aux', 'mixed.decode', 'mixed.aux'),
            losses,
            (1, 0.1, 1, 0.1),
            strict=True,
        )
        for name, loss, weight in wanted:
            found = log[f'{name}.loss_ce'].item()
            assert found == pytest.approx(weight * loss.item(), rel=1e-6), name
        shares.append(share)
    assert len(seen) == STEPS
    assert all(0.01 < share < 0.99 for share in shares)
    same(model.state_dict(), student.state_dict(), 'student')
    # The published teacher has already moved after the last step.
    model.teacher.follow(model)
    followed = {
        key: value
        for key, value in teacher.state_dict().items()
        if not key.startswith('auxiliary_head.')
    }
    same(model.teacher.weights(), followed, 'teacher')


def inputs(model, batch):
    parts = model.data_preprocessor(copy.deepcopy(batch), training=True)
    return [domain_inputs(parts, name) for name in ('source', 'target')]


def test_each_passes_inputs(cfg):
    model = build_method(cfg.model)
    source, target = inputs(model, drawn_batch(0))
    passes = model.passes(source, target)
    assert list(passes) == ['source', 'mixed']
    assert passes['source'] is source
    mixed = passes['mixed']
    assert mixed.weights.unique().numel() == 2
    pasted = mixed.weights == 1
    assert torch.equal(mixed.labels[pasted], source.labels[pasted])
    assert (mixed.labels[~pasted] < 19).all()
    assert not mixed.images.requires_grad
    assert not any('gt_sem_seg' in sample for sample in mixed.data_samples)


def test_the_share_is_that_of_the_batch_not_of_an_image(cfg):
    model = build_method(cfg.model)
    _, target = inputs(model, drawn_batch(0))
    _, both = model.pseudo_labels(target.images)
    assert both.ndim == 0
    model.threshold = 0.0
    assert model.pseudo_labels(target.images)[1] == 1


@pytest.mark.parametrize('cut', ['number', 'size'])
def test_images_that_cannot_be_mixed_are_refused(cfg, cut):
    model = build_method(cfg.model)
    source, target = inputs(model, drawn_batch(0))
    images = target.images[:1] if cut == 'number' else target.images[..., :32]
    with pytest.raises(InputError, match='DACS mixes pairs of images: set per_domain'):
        model.passes(source, DomainInputs(images, None, target.data_samples))
