"""Class mix: half of an image's classes, whole, each choice as likely."""

from collections import Counter
from math import comb

import pytest
import torch
from mmseg.structures import SegDataSample

from cfcontra_mm.datasets.mixing import class_mix_mask, paste


def sample(count, seed=3):
    return SegDataSample(metainfo=dict(draw=(seed, count)))


def labels_of(classes, size=(6, 8), seed=0):
    """A label map in which each of some classes occurs."""
    generator = torch.Generator().manual_seed(seed)
    numbers = torch.randint(len(classes), size, generator=generator).flatten()
    numbers[: len(classes)] = torch.arange(len(classes))
    return torch.tensor(classes)[numbers].view(size)


def chosen_classes(labels, mask):
    """The classes under a mask, which must be whole."""
    chosen = sorted({int(value) for value in labels[mask]})
    for value in labels.unique().tolist():
        assert mask[labels == value].all() == (value in chosen)
        assert mask[labels == value].any() == (value in chosen)
    return chosen


@pytest.mark.parametrize(
    'classes', [[4], [255], [0, 7], [0, 3, 18], [1, 2, 5, 255], list(range(19))]
)
def test_half_of_the_classes_rounded_up(classes):
    labels = torch.stack([labels_of(classes, seed=n) for n in range(4)])
    masks = class_mix_mask(labels, [sample(n) for n in range(4)])
    assert (masks.dtype, masks.shape) == (torch.bool, labels.shape)
    for one, mask in zip(labels, masks, strict=True):
        assert len(chosen_classes(one, mask)) == -(-len(classes) // 2)


def test_pixels_without_a_class_count_as_one():
    labels = labels_of([2, 255])
    chosen = {
        tuple(chosen_classes(labels, class_mix_mask(labels[None], [sample(n)])[0]))
        for n in range(30)
    }
    assert chosen == {(2,), (255,)}


def test_every_choice_is_as_likely():
    labels, tries = labels_of([0, 3, 9, 11, 255]), 3000
    many = labels.expand(tries, *labels.shape)
    masks = class_mix_mask(many, [sample(n) for n in range(tries)])
    found = Counter(tuple(chosen_classes(labels, mask)) for mask in masks)
    assert len(found) == comb(5, 3)
    for count in found.values():
        # Four deviations of a binomial.
        assert abs(count - tries / 10) < 4 * (tries * 0.09) ** 0.5


def test_a_choice_is_the_images_own():
    maps = [labels_of([0, 1, 2, 3, 4, 5], seed=n) for n in range(3)]
    samples = [sample(n) for n in (5, 6, 7)]
    together = class_mix_mask(torch.stack(maps), samples)
    torch.manual_seed(99)
    state = torch.get_rng_state()
    backwards = class_mix_mask(torch.stack(maps[::-1]), samples[::-1])
    assert torch.equal(together, backwards.flip(0))
    assert torch.equal(together[1:2], class_mix_mask(maps[1][None], samples[1:2]))
    assert torch.equal(torch.get_rng_state(), state)
    other = class_mix_mask(torch.stack(maps), [sample(n, seed=4) for n in (5, 6, 7)])
    assert not torch.equal(together, other)


def test_paste():
    generator = torch.Generator().manual_seed(0)
    mask = torch.rand(2, 4, 5, generator=generator) < 0.5
    front, back = (torch.rand(2, 3, 4, 5, generator=generator) for _ in range(2))
    images = paste(mask, front, back)
    labels = paste(mask, front[:, 0], back[:, 0])
    for n, y, x in torch.cartesian_prod(*map(torch.arange, (2, 4, 5))):
        wanted = front if mask[n, y, x] else back
        assert torch.equal(images[n, :, y, x], wanted[n, :, y, x])
        assert labels[n, y, x] == wanted[n, 0, y, x]
