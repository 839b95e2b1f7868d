import numpy as np
import pytest
import torch
from helpers import sample, tiny_config
from mmengine.runner import Runner
from PIL import Image

from cfcontra_mm.analysis.browse import browse, draw_item
from cfcontra_mm.errors import InputError

PALETTE = np.array([[200, 100, 0], [0, 50, 100]], np.uint8)


def test_an_unlabelled_image_is_shown_in_its_colours():
    inputs = torch.tensor([[[10.0]], [[20.4]], [[300.0]]])  # BGR
    image = draw_item(inputs, sample('target'), PALETTE)
    assert (image.size, image.getpixel((0, 0))) == ((1, 1), (255, 20, 10))


def test_labels_are_painted_over_a_second_copy():
    inputs = torch.full((3, 1, 3), 100, dtype=torch.uint8)
    labels = torch.tensor([[[0, 1, 255]]])
    image = draw_item(inputs, sample('source', labels), PALETTE)
    gray = (100, 100, 100)
    pixels = [image.getpixel((x, 0)) for x in range(6)]
    expected = [gray, gray, gray, (160, 100, 40), (40, 70, 100), gray]
    assert np.abs(np.subtract(pixels, expected)).max() <= 1  # rounding
    assert pixels[5] == gray


@pytest.fixture
def cfg(toystreets):
    cfg = tiny_config('source_only')
    dataset = cfg.train_dataloader.dataset
    dataset.source.data_root = str(toystreets / 'gta5')
    dataset.target.data_root = str(toystreets / 'cityscapes')
    flip = dict(type='RandomFlip', prob=0.5)
    for domain in ('source', 'target'):
        dataset[domain].pipeline.insert(-1, flip)
    cfg.train_dataloader.update(num_workers=0, persistent_workers=False)
    return cfg


def test_the_images_are_those_of_the_training(cfg, tmp_path):
    written = browse(cfg, 3, tmp_path)
    names = [path.name for path in written]
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(names)
    loader = iter(Runner.build_dataloader(cfg.train_dataloader, seed=0))
    items = [next(loader) for _ in range(2)]
    for domain in ('source', 'target'):
        drawn = [
            inputs
            for item in items
            for inputs, data in zip(item['inputs'], item['data_samples'], strict=True)
            if data.domain == domain
        ]
        for number, inputs in enumerate(drawn[:3]):
            (path,) = tmp_path.glob(f'{domain}_{number}_*.png')
            with Image.open(path) as image:
                assert image.width == (128 if domain == 'source' else 64)
                pixels = np.asarray(image)[:, :64]
            assert (pixels == inputs.numpy()[::-1].transpose(1, 2, 0)).all()


def test_a_config_without_domains_is_refused(cfg, tmp_path):
    cfg.train_dataloader = None
    with pytest.raises(InputError, match='is not a DomainDataset'):
        browse(cfg, 1, tmp_path / 'out')
    assert not (tmp_path / 'out').exists()
