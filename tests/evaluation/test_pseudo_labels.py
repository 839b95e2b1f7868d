import numpy as np
import pytest
import torch
from helpers import grid_place
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from cfcontra_mm.evaluation import PseudoLabelAccuracy

IGNORE = 255


def evaluate(pairs, **others):
    """Figures of pairs of pseudo-labels and truths, and of other labels of the same."""
    metric = PseudoLabelAccuracy()
    for index, (pseudo, truth) in enumerate(pairs):
        sample = SegDataSample()
        sample.gt_sem_seg = PixelData(data=torch.from_numpy(truth)[None])
        maps = {'pseudo': pseudo} | {name: m[index] for name, m in others.items()}
        for name, labels in maps.items():
            if labels is not None:
                data = PixelData(data=torch.from_numpy(labels)[None])
                sample.set_data({f'{name}_sem_seg': data})
        metric.process({}, [sample.to_dict()])
    found = metric.evaluate(len(pairs))
    assert all(name.startswith('training_mode/') for name in found)
    return {name.split('/')[1]: value for name, value in found.items()}


def slow_figures(pairs):
    """Each pixel of the pseudo-labels looks up the truth at its place."""
    labelled = assigned = right = 0
    for pseudo, truth in pairs:
        height, width = pseudo.shape
        for y in range(height):
            for x in range(width):
                true = truth[
                    grid_place(y, height, truth.shape[0]),
                    grid_place(x, width, truth.shape[1]),
                ]
                if true != IGNORE:
                    labelled += 1
                    assigned += pseudo[y, x] != IGNORE
                    right += pseudo[y, x] == true
    return 100 * right / max(assigned, 1), 100 * assigned / labelled


def images(size, seed=0):
    rng = np.random.default_rng(seed)
    choices = [0, 1, 2, IGNORE]
    return [
        (rng.choice(choices, size), rng.choice(choices, (16, 32))) for _ in range(3)
    ]


@pytest.mark.parametrize('size', [(16, 32), (8, 16), (4, 8), (5, 9), (32, 64)])
def test_figures_at_any_size(size):
    pairs = images(size)
    accuracy, share = slow_figures(pairs)
    found = evaluate(pairs)
    assert found['pseudo_acc'] == pytest.approx(accuracy, abs=0.006)
    assert found['pseudo_share'] == pytest.approx(share, abs=0.006)
    assert found['pseudo_share'] > 0


def test_centers_and_classifier_are_measured_on_the_same_pixels():
    pairs = images((8, 16))
    others = [labels for labels, _ in images((8, 16), seed=1)]
    found = evaluate(pairs, center=[p for p, _ in pairs], classifier=others)
    kept = [
        (np.where(p == IGNORE, IGNORE, o), t)
        for (p, t), o in zip(pairs, others, strict=True)
    ]
    right = slow_figures(kept)[0] * slow_figures(kept)[1] / slow_figures(pairs)[1]
    assert found['center_acc'] == found['pseudo_acc'] > 0
    # A label that the other source leaves out is wrong.
    assert found['classifier_acc'] == pytest.approx(right, abs=0.01)


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
