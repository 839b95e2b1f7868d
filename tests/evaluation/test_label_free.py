import math

import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from cfcontra_mm.evaluation import LabelFreeScores, soft_neighborhood_density

CLASSES = 5


def images(count=4, size=(8, 10), seed=0):
    """Logits (C, H, W) of each image, the later ones the surer."""
    generator = torch.Generator().manual_seed(seed)
    shape = (count, CLASSES, *size)
    scale = torch.arange(1, count + 1).view(-1, 1, 1, 1)
    return list(scale * torch.randn(shape, generator=generator))


def sample(logits, agreement=None, truth=None):
    found = SegDataSample()
    found.seg_logits = PixelData(data=logits)
    if agreement is not None:
        found.head_agreement = PixelData(data=agreement)
    if truth is not None:
        found.gt_sem_seg = PixelData(data=truth)
    return found.to_dict()


def evaluate(samples, batch_size=1):
    metric = LabelFreeScores()
    for start in range(0, len(samples), batch_size):
        metric.process({}, samples[start : start + batch_size])
    return metric.evaluate(len(samples))


def slow_softmax(scores):
    weights = [math.exp(score - max(scores)) for score in scores]
    return [weight / sum(weights) for weight in weights]


def slow_entropy(p):
    return -sum(value * math.log(value) for value in p if value > 0)


def slow_density(vectors, temperature=0.05):
    """The paper's sums, one pair at a time."""
    lengths = [math.sqrt(sum(x * x for x in v)) for v in vectors]
    entropies = []
    for i, v in enumerate(vectors):
        similarities = [
            sum(x * y for x, y in zip(v, w, strict=True)) / (lengths[i] * lengths[j])
            for j, w in enumerate(vectors)
            if j != i
        ]
        scaled = [s / temperature for s in similarities]
        entropies.append(slow_entropy(slow_softmax(scaled)))
    return sum(entropies) / len(entropies)


def slow_scores(maps):
    """Scores over all pixels of images of one size."""
    vectors = [
        [slow_softmax(scores) for scores in logits.double().flatten(1).T.tolist()]
        for logits in maps
    ]
    pixels = [p for image in vectors for p in image]
    mean_entropy = sum(map(slow_entropy, pixels)) / len(pixels)
    mean = [sum(column) / len(pixels) for column in zip(*pixels, strict=True)]
    return {
        'target/certainty': 1 - mean_entropy / math.log(CLASSES),
        'target/information': (slow_entropy(mean) - mean_entropy) / math.log(CLASSES),
        'target/density': sum(map(slow_density, vectors)) / len(vectors),
    }


def test_scores_are_the_printed_formulas():
    found = evaluate([sample(logits) for logits in images()])
    assert found == pytest.approx(slow_scores(images()), rel=1e-12)


def test_density_is_the_printed_formula():
    for logits in images(size=(4, 4)):
        vectors = logits.double().flatten(1).softmax(0).T
        expected = slow_density(vectors.tolist())
        assert soft_neighborhood_density(vectors).item() == pytest.approx(expected)


def test_density_of_clusters_is_the_logarithm_of_the_neighbours():
    # Three clusters of five equal one-hot predictions: each has four neighbours.
    vectors = torch.eye(3).double().repeat_interleave(5, 0)
    density = soft_neighborhood_density(vectors).item()
    assert density == pytest.approx(math.log(4), abs=1e-6)


def test_a_label_changes_nothing():
    truth = torch.randint(0, CLASSES, (1, 8, 10))
    bare = evaluate([sample(logits) for logits in images()])
    assert evaluate([sample(logits, truth=truth) for logits in images()]) == bare


def test_sure_and_varied_predictions_have_the_highest_scores():
    classes = torch.arange(CLASSES).repeat(20).view(10, 10)
    sure = 100 * torch.nn.functional.one_hot(classes).permute(2, 0, 1).double()
    found = evaluate([sample(sure)])
    assert found['target/certainty'] == pytest.approx(1)
    assert found['target/information'] == pytest.approx(1)


def test_no_information_in_equal_predictions():
    collapsed = torch.zeros(CLASSES, 8, 10)
    unsure = evaluate([sample(collapsed)])
    assert unsure['target/certainty'] == pytest.approx(0)
    collapsed[2] = 100
    sure = evaluate([sample(collapsed)])
    assert sure['target/certainty'] == pytest.approx(1)
    for found in (unsure, sure):
        assert found['target/information'] == pytest.approx(0)
        assert found['target/density'] == pytest.approx(math.log(79))


@pytest.mark.parametrize('batch_size', [2, 3, 8])
def test_batches_do_not_matter(batch_size):
    samples = [sample(logits) for logits in images(count=8)]
    assert evaluate(samples, batch_size) == evaluate(samples)


def test_neither_order_nor_ranks_matter():
    samples = [sample(logits) for logits in images(count=7)]
    expected = evaluate(samples)
    assert evaluate(samples[::-1]) == pytest.approx(expected, rel=1e-12)
    # The sampler fills the second rank up with the first image.
    shares = samples[::2], [*samples[1::2], samples[0]]
    ranks = [LabelFreeScores() for _ in shares]
    for metric, share in zip(ranks, shares, strict=True):
        metric.process({}, share)
    pairs = zip(*(metric.results for metric in ranks), strict=True)
    collected = [result for pair in pairs for result in pair][: len(samples)]
    found = ranks[0].compute_metrics(collected)
    assert {f'target/{name}': value for name, value in found.items()} == expected


@pytest.mark.parametrize('size', [(1, 9000), (130, 257), (512, 1024)])
def test_a_large_image_is_measured_on_a_grid(size):
    logits = images(count=1, size=size)[0]
    means = LabelFreeScores()
    means.process({}, [sample(logits)])
    (kept,) = means.results
    assert sum(value.numel() for value in kept.values()) == CLASSES + 2
    everywhere = logits.double().softmax(0)
    prediction = everywhere.mean((1, 2))
    entropy = torch.special.entr(everywhere).sum(0).mean()
    assert kept['prediction'].numpy() == pytest.approx(prediction.numpy(), abs=0.02)
    assert kept['entropy'].item() == pytest.approx(entropy.item(), abs=0.02)


def test_the_grid_takes_pixels_from_all_over_the_image():
    logits = torch.zeros(CLASSES, 640, 1280)
    logits[0, :, :320] = 100
    logits[1, :, 320:] = 100
    metric = LabelFreeScores()
    metric.process({}, [sample(logits)])
    prediction = metric.results[0]['prediction'].numpy()
    assert prediction == pytest.approx(np.array([0.25, 0.75, 0, 0, 0]), abs=0.01)


def test_half_precision_is_good_enough():
    samples = [sample(logits.half()) for logits in images()]
    expected = evaluate([sample(logits) for logits in images()])
    assert evaluate(samples) == pytest.approx(expected, rel=1e-3)


def test_agreement_is_the_share_of_pixels():
    maps = [torch.zeros(1, 4, 6, dtype=torch.bool) for _ in range(2)]
    maps[0][..., :3] = True
    found = evaluate([sample(x, a) for x, a in zip(images(2), maps, strict=True)])
    assert found['target/agreement'] == 0.25


def test_one_head_has_no_agreement():
    assert 'target/agreement' not in evaluate([sample(images()[0])])


def test_a_network_that_is_not_finite_has_no_score():
    broken = torch.full((CLASSES, 4, 4), math.nan)
    assert all(math.isnan(value) for value in evaluate([sample(broken)]).values())
