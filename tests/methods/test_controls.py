"""Controls: the contrast must gain where it can, and must not where it cannot.

A pair of tiny images without any structure but their colours: each class has a colour,
which the target shifts by another vector for each class, and the network has no
normalisation. What is trained is the method itself, through the training step.
"""

from functools import lru_cache

import pytest
import torch
from mmengine.optim import OptimWrapper
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import nn

from cfcontra_mm.engine import domain_step
from cfcontra_mm.engine.memory_bank import move_centers
from cfcontra_mm.methods import CFContra, MinEnt
from cfcontra_mm.methods.passes import domain_inputs

CLASSES, SIZE, STEPS, SEEDS = 6, (8, 16), 150, (0, 1, 2)
WEIGHT = 0.1
"""Weight of the contrast at which it acts."""


@MODELS.register_module()
class ColourBackbone(nn.Module):
    """Two layers that look at one pixel at a time."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 32, 1), nn.ReLU(), nn.Conv2d(32, 16, 1), nn.ReLU()
        )

    def forward(self, images):
        return (self.layers(images),)


class TrueLabels(CFContra):
    """CFContra whose pseudo-labels are right; no method may read these labels."""

    def _target_labels(self, view, projected):
        samples = view.inputs.data_samples
        return torch.stack([sample.truth.data[0] for sample in samples])


def colours(generator):
    """Colour of each class in both domains, (2, C, 3)."""
    source = 128 + 60 * torch.randn(CLASSES, 3, generator=generator)
    shift = 45 * torch.randn(CLASSES, 3, generator=generator)
    return torch.stack([source, source + shift])


def draw(domain, palette, generator):
    """An image of a domain, and its labels: of the source, or hidden from training."""
    labels = torch.randint(CLASSES, (1, *SIZE), generator=generator)
    noise = 18 * torch.randn(3, *SIZE, generator=generator)
    image = palette[domain][labels[0]].permute(2, 0, 1) + noise
    sample = SegDataSample(
        metainfo=dict(
            domain=('source', 'target')[domain], img_shape=SIZE, ori_shape=SIZE
        )
    )
    name = 'truth' if domain else 'gt_sem_seg'
    sample.set_data({name: PixelData(data=labels)})
    return image, sample


def batch(palette, generator):
    drawn = [draw(domain, palette, generator) for domain in (0, 0, 1, 1)]
    images, samples = zip(*drawn, strict=True)
    return dict(inputs=list(images), data_samples=list(samples))


def build(kind, weight, seed):
    torch.manual_seed(seed)
    contrast = dict(
        projection_head=None,
        loss_contrast=dict(type='ClassContrastiveLoss', loss_weight=weight),
    )
    return kind(
        **({} if weight is None else contrast),
        data_preprocessor=dict(
            type='DomainPreprocessor',
            mean=[128.0] * 3,
            std=[60.0] * 3,
            size_divisor=1,
        ),
        backbone=dict(type='ColourBackbone'),
        decode_head=dict(
            type='FCNHead',
            in_channels=16,
            in_index=0,
            channels=16,
            num_convs=0,
            kernel_size=1,
            concat_input=False,
            dropout_ratio=0.0,
            num_classes=CLASSES,
            align_corners=True,
            loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True),
        ),
        loss_entropy=dict(decode=dict(type='EntropyLoss', loss_weight=1e-3)),
        test_cfg=dict(mode='whole'),
    )


@lru_cache
def accuracy(kind, weight, seed):
    """Percentage of target pixels that are right after training."""
    generator = torch.Generator().manual_seed(seed)
    palette = colours(generator)
    model = build(kind, weight, seed)
    model.init_weights()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    wrapper = OptimWrapper(optimizer)
    first = model.data_preprocessor(batch(palette, generator), training=True)
    has_centers = weight is not None
    for domain in ('source', 'target') if has_centers else ():
        model.accumulate_centers(domain, domain_inputs(first, domain))
        move_centers(model.class_centers)
    for _ in range(STEPS):
        domain_step(model.train(), batch(palette, generator), wrapper)
        if has_centers:
            move_centers(model.class_centers)
    images, samples = zip(
        *(draw(1, palette, generator) for _ in range(20)), strict=True
    )
    truth = torch.cat([sample.truth.data for sample in samples])
    inputs = model.data_preprocessor(
        dict(inputs=list(images), data_samples=list(samples)), training=False
    )['inputs']
    with torch.no_grad():
        found = model.eval().logits(inputs).argmax(1)
    return 100 * (found == truth).float().mean().item()


def gains(kind, weight):
    """Gain over no contrast, by seed."""
    return [
        accuracy(kind, weight, seed) - accuracy(CFContra, 0.0, seed) for seed in SEEDS
    ]


def test_there_is_something_to_gain():
    for seed in SEEDS:
        assert 40 < accuracy(CFContra, 0.0, seed) < 95


def test_positive_control_the_contrast_gains_with_true_labels():
    found = gains(TrueLabels, WEIGHT)
    assert min(found) > 1
    assert sum(found) / len(found) > 5


def test_negative_control_it_gains_nothing_at_weight_zero():
    for seed in SEEDS:
        without = accuracy(MinEnt, None, seed)
        assert accuracy(TrueLabels, 0.0, seed) == without


def test_what_it_gains_it_owes_to_its_pseudo_labels():
    true, own = (sum(gains(kind, WEIGHT)) for kind in (TrueLabels, CFContra))
    assert own < true - 3 * len(SEEDS)


@pytest.mark.parametrize('seed', SEEDS)
def test_no_label_of_the_target_is_within_reach(seed):
    _, sample = draw(1, colours(torch.Generator().manual_seed(seed)), None)
    assert 'gt_sem_seg' not in sample
