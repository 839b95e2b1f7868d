"""Colour jitter and blur against loops over pixels."""

import random
from unittest import mock

import numpy as np
import pytest
import torch
from mmseg.structures import SegDataSample
from scipy.ndimage import gaussian_filter
from slow_augmentation import SIGMAS, blur, drawn_jitter, jitter

from cfcontra_mm.datasets import strong_augmentation as module
from cfcontra_mm.datasets.strong_augmentation import (
    gaussian_blur,
    jitter_colors,
    strong_augmentation,
)

MEAN = torch.tensor([104.0, 116.7, 122.7]).view(3, 1, 1).double()
STD = torch.tensor([58.4, 57.1, 57.4]).view(3, 1, 1).double()


def image(seed=0, size=(9, 12)):
    """Colours of every kind: any, grey, pure, black and white."""
    numbers = np.random.default_rng(seed)
    pixels = numbers.random((3, *size))
    pixels[:, 0] = numbers.random(size[1])
    pixels[:, 1] = numbers.integers(0, 2, (3, size[1]))
    return pixels


def samples(*counts, seed=5):
    return [SegDataSample(metainfo=dict(draw=(seed, count))) for count in counts]


@pytest.mark.parametrize('strength', [0.25, 0.5])
@pytest.mark.parametrize('seed', range(12))
def test_jitter_is_that_of_kornia_0_5(seed, strength):
    random.seed(seed)
    factors, order = drawn_jitter(strength)
    wanted = jitter(image(seed), factors, order)
    random.seed(seed)
    found = jitter_colors(torch.from_numpy(image(seed)), strength)
    np.testing.assert_allclose(found.numpy(), wanted, atol=1e-12)
    assert abs(wanted - image(seed)).max() > 0.1


def test_jitter_is_not_that_of_todays_libraries():
    # Contrast does not blend with the mean, nor does brightness multiply.
    grey = torch.full((3, 4, 4), 0.5).double()
    values = set()
    for seed in range(20):
        random.seed(seed)
        (brightness, contrast, _, _), order = drawn_jitter(0.25)
        random.seed(seed)
        found = jitter_colors(grey, 0.25).mean().item()
        first = order.index(0) < order.index(1)
        added = 0.5 + brightness - 1
        wanted = added * contrast if first else 0.5 * contrast + brightness - 1
        assert found == pytest.approx(wanted)
        values.add(first)
    assert values == {True, False}


@pytest.mark.parametrize('sigma', [0.15, 0.4, 0.77, 1.15])
def test_blur_is_the_sum_over_neighbours(sigma):
    pixels = image(3, (40, 31))
    found = gaussian_blur(torch.from_numpy(pixels), sigma).numpy()
    np.testing.assert_allclose(found, blur(pixels, sigma), atol=1e-7)
    # DACS's kernel is a tenth of the side, 51 pixels at 512.
    np.testing.assert_allclose(found, blur(pixels, sigma, size=51), atol=1e-7)
    by_scipy = gaussian_filter(pixels, (0, sigma, sigma), mode='mirror', truncate=8)
    np.testing.assert_allclose(found, by_scipy, atol=1e-7)
    assert found.mean() == pytest.approx(pixels.mean(), abs=0.02)


def test_blur_of_an_image_smaller_than_the_kernel():
    pixels = image(4, (5, 3))
    found = gaussian_blur(torch.from_numpy(pixels), 1.15).numpy()
    assert found.shape == pixels.shape
    assert np.isfinite(found).all()
    assert found.std() < pixels.std()


def test_augmentation_of_normalised_images():
    colors = torch.stack([torch.from_numpy(image(n)) for n in range(3)])
    normalised = (colors * 255 - MEAN) / STD
    seen = set()
    for step in range(30):
        random.seed(step)
        found = strong_augmentation(normalised, samples(0, 1, 2), MEAN, STD)
        random.seed(step)
        changes = random.random() > 0.2, random.random() > 0.5
        for number, sample in enumerate(samples(0, 1, 2)):
            wanted = colors[number].numpy()
            with module.seeded_as(sample):
                if changes[0]:
                    wanted = jitter(wanted, *drawn_jitter(0.25))
                if changes[1]:
                    wanted = blur(wanted, random.uniform(*SIGMAS))
            wanted = (torch.from_numpy(wanted) * 255 - MEAN) / STD
            torch.testing.assert_close(found[number], wanted, atol=1e-6, rtol=0)
        seen.add(changes)
    assert len(seen) == 4


def test_how_often_and_for_all_images_of_a_step_alike():
    pixels = torch.zeros(2, 3, 8, 8).double()
    steps = []
    keep = {
        'jitter_colors': mock.Mock(side_effect=lambda image, strength: image),
        'gaussian_blur': mock.Mock(side_effect=lambda image, sigma: image),
    }
    with mock.patch.multiple(module, **keep):
        for step in range(1000):
            for call in keep.values():
                call.reset_mock()
            random.seed(step)
            strong_augmentation(pixels, samples(step, step + 1), MEAN, STD)
            steps.append([call.call_count for call in keep.values()])
    assert {count for counts in steps for count in counts} == {0, 2}
    shares = np.mean(np.array(steps) == 2, axis=0)
    np.testing.assert_allclose(shares, [0.8, 0.5], atol=0.05)
    assert np.corrcoef(np.array(steps).T)[0, 1] == pytest.approx(0, abs=0.1)


def test_blurs_differ_and_stay_in_their_range():
    pixels, sigmas = torch.zeros(1, 3, 8, 8).double(), []

    def note(image, sigma):
        sigmas.append(sigma)
        return image

    with mock.patch.object(module, 'gaussian_blur', note):
        for step in range(300):
            strong_augmentation(pixels, samples(step), MEAN, STD)
    assert SIGMAS[0] <= min(sigmas) < 0.2
    assert 1.1 < max(sigmas) <= SIGMAS[1]
    assert np.mean(sigmas) == pytest.approx(sum(SIGMAS) / 2, abs=0.08)


def test_an_images_changes_are_its_own():
    pixels = torch.from_numpy(image()).double()
    random.seed(2)
    assert random.random() > 0.5 < random.random()  # both changes
    random.seed(2)
    together = strong_augmentation(
        torch.stack([pixels] * 3), samples(7, 8, 7), MEAN, STD
    )
    random.seed(2)
    alone = strong_augmentation(pixels[None], samples(8), MEAN, STD)
    assert torch.equal(together[1], alone[0])
    assert torch.equal(together[0], together[2])
    assert not torch.equal(together[0], together[1])


def test_nothing_is_drawn_from_the_callers_generator_but_whether():
    random.seed(3)
    strong_augmentation(torch.zeros(2, 3, 8, 8).double(), samples(1, 2), MEAN, STD)
    after = random.random()
    random.seed(3)
    random.random(), random.random()
    assert random.random() == after
