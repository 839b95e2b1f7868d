import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from cfcontra_mm.evaluation import PseudoLabelAccuracy

IGNORE = 255


def evaluate(pairs):
    metric = PseudoLabelAccuracy()
    for pseudo, truth in pairs:
        sample = SegDataSample()
        sample.gt_sem_seg = PixelData(data=torch.from_numpy(truth)[None])
        if pseudo is not None:
            sample.pseudo_sem_seg = PixelData(data=torch.from_numpy(pseudo)[None])
        metric.process({}, [sample.to_dict()])
    return metric.evaluate(len(pairs))


def slow_figures(pairs):
    """Each pixel of the truth looks up the pseudo-label that covers it."""
    labelled = assigned = right = 0
    for pseudo, truth in pairs:
        height, width = truth.shape
        for y in range(height):
            for x in range(width):
                found = pseudo[
                    y * pseudo.shape[0] // height, x * pseudo.shape[1] // width
                ]
                if truth[y, x] != IGNORE:
                    labelled += 1
                    assigned += found != IGNORE
                    right += found == truth[y, x]
    return 100 * right / max(assigned, 1), 100 * assigned / labelled


def images(size, seed=0):
    rng = np.random.default_rng(seed)
    choices = [0, 1, 2, IGNORE]
    return [
        (rng.choice(choices, size), rng.choice(choices, (16, 32))) for _ in range(3)
    ]


@pytest.mark.parametrize('size', [(16, 32), (8, 16), (4, 8), (5, 9), (1, 1)])
def test_figures_at_any_size(size):
    pairs = images(size)
    accuracy, share = slow_figures(pairs)
    found = evaluate(pairs)
    assert found['pseudo_acc'] == pytest.approx(accuracy, abs=0.006)
    assert found['pseudo_share'] == pytest.approx(share, abs=0.006)
    assert 0 < found['pseudo_acc'] < 100
    assert found['pseudo_share'] > 0


def test_pixels_count_and_not_images():
    right, wrong = np.zeros((8, 8), int), np.ones((2, 2), int)
    found = evaluate([(right, right), (wrong, np.zeros((2, 2), int))])
    assert found['pseudo_acc'] == pytest.approx(100 * 64 / 68, abs=0.006)
    assert found['pseudo_share'] == 100


def test_a_pseudo_label_on_an_unlabelled_pixel_does_not_count():
    truth = np.array([[0, IGNORE], [0, 0]])
    found = evaluate([(np.zeros((2, 2), int), truth)])
    assert found == dict(pseudo_acc=100, pseudo_share=100)


def test_all_pixels_unsure():
    truth = np.zeros((4, 4), int)
    found = evaluate([(np.full((4, 4), IGNORE), truth)])
    assert found['pseudo_share'] == 0
    # No pseudo-label is neither right nor wrong; it must not look like an accuracy.
    assert not found['pseudo_acc'] > 0


def test_a_method_without_pseudo_labels_gets_no_figure():
    assert evaluate([(None, np.zeros((4, 4), int))] * 2) == {}
