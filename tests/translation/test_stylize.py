from unittest import mock

import numpy as np
import pytest
import torch
from mmseg.registry import DATASETS
from PIL import Image
from raw_files import batches, write_cityscapes, write_gta5, write_image
from translators import write_checkpoint, write_config

from cfcontra_mm.datasets import Draw
from cfcontra_mm.errors import InputError
from cfcontra_mm.translation import (
    AdaINStylize,
    image_statistics,
    stylize,
    translate_image,
)


@pytest.fixture(scope='module')
def translator(tmp_path_factory):
    folder = tmp_path_factory.mktemp('translator')
    checkpoint = write_checkpoint(folder / 'iter_1.pth')
    return dict(
        config=str(write_config(folder / 'config.py', folder)),
        checkpoint=str(checkpoint),
    )


@pytest.fixture
def styles(tmp_path):
    """A folder of three images, one of them in a folder below."""
    folder = tmp_path / 'styles'
    write_image(folder / 'a.png', (40, 30))
    write_image(folder / 'b.jpg', (24, 18), value=(200, 40, 90))
    write_image(folder / 'town' / 'c.png', (18, 24), value=(10, 220, 60))
    return folder


@pytest.fixture
def make(translator, styles):
    def make(**kwargs):
        return AdaINStylize(**(dict(translator, styles=str(styles)) | kwargs))

    return make


def sample(size=(21, 17)):
    random = np.random.default_rng(0)
    return dict(
        img=random.integers(0, 256, (*size, 3), dtype=np.uint8),
        gt_seg_map=random.integers(0, 19, size, dtype=np.uint8),
        img_path='image.png',
        img_shape=size,
        flip=True,
    )


def test_stylises_the_image_alone(make):
    results, before = make()(sample()), sample()
    image = results.pop('img')
    assert (image.dtype, image.shape) == (np.uint8, (21, 17, 3))
    assert image.flags.c_contiguous
    assert not (image == before.pop('img')).all()
    assert (results.pop('gt_seg_map') == before.pop('gt_seg_map')).all()
    assert results == before


def test_channel_order_and_arguments(make, styles):
    (styles / 'b.jpg').unlink()
    (styles / 'town' / 'c.png').unlink()
    transform = make(alpha=0.6)
    style = stylize.read_image(str(styles / 'a.png'))
    statistics = image_statistics(transform.model, style)
    rgb = np.ascontiguousarray(sample()['img'][..., ::-1])
    wanted = translate_image(transform.model, rgb, statistics, 0.6)
    assert (transform(sample())['img'] == wanted[..., ::-1]).all()


def test_styles_are_resized(make, styles):
    transform = make(style_scale=(20, 14))
    path = str(styles / 'd.png')
    Image.fromarray(sample((30, 40))['img']).save(path)
    resized = Image.open(path).convert('RGB').resize((20, 14), Image.Resampling.BICUBIC)
    wanted = image_statistics(transform.model, np.array(resized))
    assert all(map(torch.equal, transform._statistics_of(path), wanted))
    assert not torch.equal(make()._statistics_of(path).mean, wanted.mean)


def test_probability(make):
    original = sample()
    assert make(prob=0)(original)['img'] is original['img']
    transform = make(prob=0.5)
    np.random.seed(0)
    kept = sum((transform(sample())['img'] == original['img']).all() for _ in range(60))
    assert 15 < kept < 45


def test_every_style_is_drawn_and_encoded_once(make):
    transform = make()
    np.random.seed(0)
    counted = mock.Mock(wraps=image_statistics)
    with mock.patch.object(stylize, 'image_statistics', counted):
        images = {transform(sample())['img'].tobytes() for _ in range(20)}
    assert len(images) == counted.call_count == 3


@pytest.fixture
def dataset(tmp_path, translator, styles):
    """A pair whose source is stylised, its images large enough for that."""
    load = [dict(type='LoadImage')]
    stylise = dict(type='AdaINStylize', prob=0.7, styles=str(styles), **translator)
    labels = [dict(type='LoadLabels'), dict(type='MapLabels', table='cityscapes')]
    stems = [f'{n:05}' for n in range(1, 6)]
    gta5 = write_gta5(tmp_path / 'gta5', stems, size=(48, 40))
    for stem in stems:
        write_image(gta5 / 'images' / f'{stem}.png', (48, 40))
    city = write_cityscapes(tmp_path / 'city', 'train', 3, size=(48, 40))
    pack = [dict(type='PackSegInputs')]
    return DATASETS.build(
        dict(
            type='DomainDataset',
            source=dict(
                type='GTA5Dataset',
                data_root=str(gta5),
                pipeline=[*load, *labels, stylise, *pack],
            ),
            target=dict(
                type='RawCityscapesDataset',
                data_root=str(city),
                data_prefix=dict(img_path='leftImg8bit/train'),
                pipeline=[*load, *pack],
            ),
        )
    )


def test_a_draw_fixes_the_style(dataset):
    first = dataset[Draw(1, 4)]
    again = dataset[Draw(1, 4)]
    assert torch.equal(first['inputs'], again['inputs'])
    others = [dataset[Draw(1, count)] for count in range(12)]
    assert len({other['inputs'].numpy().tobytes() for other in others}) == 4
    labels = [other['data_samples'].gt_sem_seg.data for other in others]
    assert all(torch.equal(label, labels[0]) for label in labels)


def test_number_of_workers_does_not_matter(dataset):
    before = torch.get_num_threads()
    torch.set_num_threads(2)  # a worker has one
    try:
        alone = batches(dataset, workers=0)
        assert all(map(torch.equal, alone, batches(dataset, workers=2)))
    finally:
        torch.set_num_threads(before)
    # Or nothing was stylised.
    with mock.patch.object(AdaINStylize, 'transform', lambda self, results: results):
        assert not all(map(torch.equal, alone, batches(dataset, workers=0)))


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(prob=1.1), r'AdaINStylize\.prob: must be in 0-1, not 1\.1'),
        (dict(alpha=-0.1), r'AdaINStylize\.alpha: must be in 0-1'),
        (dict(styles='none'), r'none: no such folder; set AdaINStylize\.styles'),
        (dict(checkpoint='none.pth'), r'none\.pth: no such checkpoint'),
        (dict(config='none.py'), r'none\.py: no such config'),
    ],
)
def test_wrong_arguments(make, arguments, message):
    with pytest.raises(InputError, match=message):
        make(**arguments)


def test_images_that_cannot_be_used(make, styles):
    with pytest.raises(InputError, match=r'^image\.png: image size 8x20: '):
        make()(sample((20, 8)))
    for name in ('b.jpg', 'town/c.png'):
        (styles / name).unlink()
    write_image(styles / 'a.png', (40, 4))
    with pytest.raises(InputError, match=r'a\.png: image size 40x4: '):
        make()(sample())
    (styles / 'a.png').write_bytes((styles / 'a.png').read_bytes()[:90])
    with pytest.raises(InputError, match=r'a\.png: truncated'):
        make()(sample())
