"""The supervised loss is mmseg's to the last bit, and with weights DACS's."""

import math

import pytest
import torch
from mmengine.structures import PixelData
from mmseg.models.decode_heads import FCNHead
from mmseg.structures import SegDataSample

from cfcontra_mm.models.supervision import supervised_loss

CLASSES = 5
CROSS_ENTROPY = dict(type='CrossEntropyLoss')
HEADS = {
    'labelled pixels': dict(
        loss_decode=dict(CROSS_ENTROPY, avg_non_ignore=True, loss_weight=0.4)
    ),
    'all pixels': dict(loss_decode=dict(CROSS_ENTROPY, loss_weight=0.4)),
    'class weights': dict(
        loss_decode=dict(CROSS_ENTROPY, class_weight=[0.5, 1.0, 2.0, 0.1, 3.0])
    ),
    'sum': dict(loss_decode=dict(CROSS_ENTROPY, reduction='sum', avg_non_ignore=True)),
    'other index': dict(
        loss_decode=dict(CROSS_ENTROPY, avg_non_ignore=True), ignore_index=3
    ),
    'two names': dict(
        loss_decode=[
            dict(CROSS_ENTROPY, avg_non_ignore=True),
            dict(type='DiceLoss', loss_weight=0.3, ignore_index=255),
        ]
    ),
    'one name twice': dict(
        loss_decode=[
            dict(CROSS_ENTROPY, avg_non_ignore=True),
            dict(CROSS_ENTROPY, loss_weight=0.3),
        ]
    ),
    'sampler': dict(
        loss_decode=dict(CROSS_ENTROPY, avg_non_ignore=True),
        sampler=dict(type='OHEMPixelSampler', thresh=0.3, min_kept=20),
    ),
    'sigmoid': dict(loss_decode=dict(CROSS_ENTROPY, use_sigmoid=True)),
}


def head_of(settings):
    return FCNHead(
        in_channels=4, channels=4, num_classes=CLASSES, num_convs=1, **settings
    )


def inputs(seed=0, size=(2, 7, 9), ignored=0.3):
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(size[0], CLASSES, *size[1:], generator=generator)
    labels = torch.randint(CLASSES, size, generator=generator)
    labels[torch.rand(size, generator=generator) < ignored] = 255
    return logits, labels


def by_mmseg(head, logits, labels):
    samples = [
        SegDataSample(gt_sem_seg=PixelData(data=label[None])) for label in labels
    ]
    return head.loss_by_feat(logits, samples)


@pytest.mark.parametrize('ignored', [0.0, 0.3, 1.0])
@pytest.mark.parametrize('name', HEADS)
def test_same_values_and_gradients_as_mmseg(name, ignored):
    if (name, ignored) == ('sampler', 1.0):
        pytest.skip("mmseg's sampler needs a labelled pixel")
    head, (logits, labels) = head_of(HEADS[name]), inputs(ignored=ignored)
    if name == 'other index':
        labels = labels.where(labels != 255, 3)
    grads, found = [], []
    for compute in (supervised_loss, by_mmseg):
        given = logits.clone().requires_grad_()
        losses = compute(head, given, labels)
        sum(v for k, v in losses.items() if k != 'acc_seg').backward()
        found.append(losses)
        grads.append(given.grad)
    ours, theirs = found
    assert list(ours) == list(theirs)
    if ignored == 1:  # mmseg calls nothing at all right
        assert (ours.pop('acc_seg'), theirs.pop('acc_seg')) == (0, 100)
    # mmseg sums the classes' weights over another number of pixels.
    rounding = 1e-6 if (name, ignored) == ('class weights', 0.3) else 0
    for key in ours:
        torch.testing.assert_close(
            ours[key].reshape(()), theirs[key].reshape(()), rtol=rounding, atol=0
        )
    torch.testing.assert_close(*grads, rtol=rounding, atol=0)


def slow_cross_entropy(logits, labels, weights):
    """Weighted sum over the labelled pixels, divided by the number of all."""
    total = 0.0
    for n, y, x in torch.cartesian_prod(*map(torch.arange, labels.shape)):
        label = labels[n, y, x].item()
        if label != 255:
            scores = [math.exp(v) for v in logits[n, :, y, x].double().tolist()]
            total -= weights[n, y, x].item() * math.log(scores[label] / sum(scores))
    return total / labels.numel()


@pytest.mark.parametrize('name', ['labelled pixels', 'all pixels'])
def test_weighted_mean_is_over_all_pixels(name):
    head, (logits, labels) = head_of(HEADS[name]), inputs()
    weights = torch.rand(labels.shape, generator=torch.Generator().manual_seed(2))
    found = supervised_loss(head, logits, labels, weights)
    wanted = 0.4 * slow_cross_entropy(logits, labels, weights)
    assert found['loss_ce'].item() == pytest.approx(wanted, rel=1e-5)
    ones = supervised_loss(head, logits, labels, torch.ones(labels.shape))
    plain = supervised_loss(head_of(HEADS['all pixels']), logits, labels)
    torch.testing.assert_close(ones['loss_ce'], plain['loss_ce'])
    assert found['acc_seg'] == plain['acc_seg']


def test_weights_and_a_sampler_multiply():
    head, (logits, labels) = head_of(HEADS['sampler']), inputs()
    weights = torch.rand(labels.shape, generator=torch.Generator().manual_seed(2))
    sampled = head.sampler.sample(logits, labels[:, None])
    assert 0 < sampled.mean() < 1
    found = supervised_loss(head, logits, labels, weights)
    wanted = slow_cross_entropy(logits, labels, weights * sampled)
    assert found['loss_ce'].item() == pytest.approx(wanted, rel=1e-5)


def test_accuracy_counts_labelled_pixels():
    logits, labels = inputs()
    right = counted = 0
    for n, y, x in torch.cartesian_prod(*map(torch.arange, labels.shape)):
        if labels[n, y, x] != 255:
            counted += 1
            right += bool(logits[n, :, y, x].argmax() == labels[n, y, x])
    found = supervised_loss(head_of(HEADS['all pixels']), logits, labels)['acc_seg']
    assert found.item() == pytest.approx(100 * right / counted)
