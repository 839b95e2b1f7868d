import math
import warnings

import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from PIL import Image

from cfcontra_mm.errors import InputError
from cfcontra_mm.evaluation import DomainIoUMetric

CLASSES = tuple(f'class {k}' for k in range(19))
SIXTEEN = [c for k, c in enumerate(CLASSES) if k not in (9, 14, 16)]
THIRTEEN = [c for c in SIXTEEN if c not in CLASSES[3:6]]
IGNORE = 255


def images(classes, seed=0, count=3):
    """Pairs of prediction and truth that hold some of the classes."""
    rng = np.random.default_rng(seed)
    pairs = []
    for _ in range(count):
        truth = rng.choice([*classes, IGNORE], (20, 30))
        wrong = rng.choice(classes, (20, 30))
        prediction = np.where(rng.random((20, 30)) < 0.6, truth, wrong)
        prediction[prediction == IGNORE] = classes[0]
        pairs.append((prediction, truth))
    return pairs


def slow_iou(pairs):
    """IoU of each class, pixel by pixel over all images, in percent."""
    hits, either = [0] * 19, [0] * 19
    for prediction, truth in pairs:
        for p, t in zip(
            prediction.ravel().tolist(), truth.ravel().tolist(), strict=True
        ):
            if t == IGNORE:
                continue
            hits[t] += p == t
            for k in {p, t}:
                either[k] += 1
    return [100 * h / e if e else math.nan for h, e in zip(hits, either, strict=True)]


def slow_mean(values):
    numbers = [value for value in values if not math.isnan(value)]
    return sum(numbers) / len(numbers) if numbers else math.nan


def evaluate(pairs, subsets=None, **kwargs):
    metric = DomainIoUMetric(subsets=subsets, **kwargs)
    metric.dataset_meta = dict(classes=CLASSES)
    for index, (prediction, truth) in enumerate(pairs):
        sample = SegDataSample(metainfo=dict(img_path=f'street_{index}.png'))
        sample.pred_sem_seg = PixelData(data=torch.from_numpy(prediction)[None])
        sample.gt_sem_seg = PixelData(data=torch.from_numpy(truth)[None])
        metric.process({}, [dict(sample.to_dict(), **sample.metainfo)])
    return metric.evaluate(len(pairs))


@pytest.mark.parametrize('classes', [range(19), (0, 1, 5, 13, 14), (2,)])
def test_iou_of_classes_and_subsets(classes):
    pairs = images(list(classes))
    reference = slow_iou(pairs)
    found = evaluate(pairs, dict(mIoU16=SIXTEEN, mIoU13=THIRTEEN))
    for name, expected in zip(CLASSES, reference, strict=True):
        assert found[f'IoU.{name}'] == pytest.approx(expected, abs=0.006, nan_ok=True)
    assert found['mIoU'] == pytest.approx(slow_mean(reference), abs=0.006)
    by_class = dict(zip(CLASSES, reference, strict=True))
    for name, subset in (('mIoU16', SIXTEEN), ('mIoU13', THIRTEEN)):
        expected = slow_mean([by_class[c] for c in subset])
        assert found[name] == pytest.approx(expected, abs=0.006)


def test_subsets_hold_what_the_papers_score():
    assert (len(SIXTEEN), len(THIRTEEN)) == (16, 13)


def test_a_class_that_is_never_seen_is_nan_and_no_part_of_a_mean():
    pairs = images([0, 1, 9])
    found = evaluate(pairs, dict(mIoU16=SIXTEEN))
    assert math.isnan(found['IoU.class 5'])
    means = (found['IoU.class 0'] + found['IoU.class 1']) / 2
    assert found['mIoU16'] == pytest.approx(means, abs=0.01)


def test_a_class_that_is_only_predicted_counts_as_zero():
    truth = np.zeros((4, 4), int)
    prediction = truth.copy()
    prediction[0] = 7
    found = evaluate([(prediction, truth)])
    assert found['IoU.class 7'] == 0
    assert found['mIoU'] == pytest.approx(75 / 2)


def test_a_subset_of_unseen_classes_is_nan():
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', RuntimeWarning)
        found = evaluate(images([0]), dict(rare=['class 5', 'class 6']))
    assert math.isnan(found['rare'])


def test_labels_without_any_class_give_one_line():
    truth = np.full((4, 4), IGNORE)
    with pytest.raises(InputError, match='no pixel of the 2 labels has a class; check'):
        evaluate([(np.zeros((4, 4), int), truth)] * 2)


def test_one_labelled_pixel_suffices():
    truth = np.full((4, 4), IGNORE)
    truth[0, 0] = 3
    assert evaluate([(np.zeros((4, 4), int), truth)])['IoU.class 3'] == 0


def test_without_subsets_there_is_the_mean_alone():
    found = evaluate(images([0, 1]))
    means = {key for key in found if not key.startswith('IoU.')}
    assert means == {'mIoU', 'aAcc', 'mAcc'}


def test_counts_of_many_pixels_do_not_lose_precision():
    rows = [
        (torch.full((19,), 2.0**23 + k), torch.full((19,), 2.0**24)) for k in (1, 3)
    ]
    metric = DomainIoUMetric()
    metric.dataset_meta = dict(classes=CLASSES)
    results = [
        (*[area.double() for area in (hit, union, union, union)], 'street')
        for hit, union in rows
    ] * 40
    expected = 100 * sum(2**23 + k for k in (1, 3)) / (2 * 2**24)
    found = metric.compute_metrics(results)
    assert found['IoU.class 3'] == pytest.approx(expected, abs=0.006)


def per_image(folder):
    with np.load(folder / 'per_image.npz') as arrays:
        return dict(arrays)


def test_counts_of_each_image_are_kept_beside_the_predictions(tmp_path):
    pairs = images([0, 1, 5, 18])
    found = evaluate(pairs, output_dir=str(tmp_path))
    counts = per_image(tmp_path)
    assert counts['names'].tolist() == ['street_0', 'street_1', 'street_2']
    assert tuple(counts['classes']) == CLASSES
    for kind in ('intersection', 'union'):
        assert (counts[kind].dtype, counts[kind].shape) == (np.int64, (3, 19))
    for pair, hit, either in zip(
        pairs, counts['intersection'], counts['union'], strict=True
    ):
        with np.errstate(invalid='ignore'):
            iou = 100 * hit / either
        assert iou.tolist() == pytest.approx(slow_iou([pair]), nan_ok=True)
    with np.errstate(invalid='ignore'):
        total = counts['intersection'].sum(0) / counts['union'].sum(0)
    assert round(100 * float(np.nanmean(total)), 2) == found['mIoU']
    assert {path.suffix for path in tmp_path.iterdir()} == {'.npz', '.png'}


def test_counts_are_not_kept_without_predictions(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    evaluate(images([0, 1]))
    assert not list(tmp_path.iterdir())


def evaluate_rank(rank, folder, file):
    """Evaluate every second of five images, as a rank of two sees them."""
    torch.distributed.init_process_group(
        'gloo', init_method=f'file://{file}', rank=rank, world_size=2
    )
    pairs = images([0, 1, 5], count=5)
    metric = DomainIoUMetric(output_dir=str(folder), collect_device='cpu')
    metric.dataset_meta = dict(classes=CLASSES)
    # The sampler repeats the first image, so that both ranks have as many.
    for index in [0, 1, 2, 3, 4, 0][rank::2]:
        sample = SegDataSample(metainfo=dict(img_path=f'street_{index}.png'))
        prediction, truth = map(torch.from_numpy, pairs[index])
        sample.pred_sem_seg = PixelData(data=prediction[None])
        sample.gt_sem_seg = PixelData(data=truth[None])
        metric.process({}, [dict(sample.to_dict(), **sample.metainfo)])
    found = metric.evaluate(5)
    torch.distributed.destroy_process_group()
    assert found['mIoU'] == evaluate(pairs)['mIoU']


@pytest.mark.slow
def test_two_ranks_keep_every_image_once_and_in_order(tmp_path):
    folder = tmp_path / 'predictions'
    torch.multiprocessing.spawn(evaluate_rank, (folder, tmp_path / 'group'), nprocs=2)
    counts = per_image(folder)
    evaluate(images([0, 1, 5], count=5), output_dir=str(tmp_path))
    single = per_image(tmp_path)
    assert counts['names'].tolist() == [f'street_{index}' for index in range(5)]
    assert np.array_equal(counts['intersection'], single['intersection'])
    assert np.array_equal(counts['union'], single['union'])


def test_predictions_alone_give_no_figures(tmp_path):
    metric = DomainIoUMetric(format_only=True, output_dir=str(tmp_path))
    metric.dataset_meta = dict(classes=CLASSES)
    sample = SegDataSample(metainfo=dict(img_path='street.png'))
    sample.pred_sem_seg = PixelData(data=torch.zeros(1, 4, 4, dtype=torch.long))
    metric.process({}, [dict(sample.to_dict(), img_path='street.png')])
    assert metric.compute_metrics(metric.results) == {}
    assert (tmp_path / 'street.png').exists()


def test_a_subset_of_unknown_classes_is_refused_at_the_first_image():
    metric = DomainIoUMetric(subsets=dict(mIoU2=['road', 'raod']))
    metric.dataset_meta = dict(classes=('road', 'car'))
    with pytest.raises(
        InputError, match='subsets: unknown class raod; choose from road, car'
    ):
        metric.process({}, [])


def predict(folder, images, **settings):
    """Write a prediction for each image: its index everywhere."""
    metric = DomainIoUMetric(output_dir=str(folder), **settings)
    metric.dataset_meta = dict(classes=CLASSES)
    for index, path in enumerate(images):
        label = torch.full((1, 2, 2), index)
        sample = SegDataSample(metainfo=dict(img_path=path))
        sample.pred_sem_seg = sample.gt_sem_seg = PixelData(data=label)
        metric.process({}, [dict(sample.to_dict(), **sample.metainfo)])
    metric.evaluate(len(images))


@pytest.mark.parametrize(
    ('images', 'names'),
    [
        (['/d/val/a/0.png', '/d/val/b/0.jpg'], ['a/0', 'b/0']),
        (['/d/val/0.png', '/d/val/b/1.v2.PNG'], ['0', 'b/1.v2']),
        (['/d/val/x/../0.png', '/d/else/1.png'], ['0', '1']),
    ],
)
def test_predictions_keep_the_subfolders_of_the_images(tmp_path, images, names):
    predict(tmp_path, images, image_folder='/d/val')
    files = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob('*.png')]
    assert sorted(files) == [f'{name}.png' for name in names]
    for index, name in enumerate(names):
        assert (np.array(Image.open(tmp_path / f'{name}.png')) == index).all()


@pytest.mark.parametrize(
    ('images', 'names'),
    [
        (['/d/a/0.png', '/d/b/0.png'], ['a/0', 'b/0']),
        # As results of earlier versions have them.
        (['/d/a/0.png', '/d/b/1.png'], ['0', '1']),
    ],
)
def test_the_names_of_counts_are_unique(tmp_path, images, names):
    predict(tmp_path, images, image_folder='/d')
    assert per_image(tmp_path)['names'].tolist() == names


def test_no_prediction_replaces_another(tmp_path):
    with pytest.raises(InputError, match=r'b/0\.png: .* replace that of a/0\.png; set'):
        predict(tmp_path, ['a/0.png', 'b/0.png'])
    predict(tmp_path, ['a/0.png', 'a/0.png'])  # repeated to fill a batch
