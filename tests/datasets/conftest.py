from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmseg.registry import DATASETS
from raw_files import (
    CLASSES,
    source_cfg,
    target_cfg,
    write_cityscapes,
    write_gta5,
    write_image,
    write_label,
)

PAIRS = Path(__file__).parents[2] / 'configs/_base_/pairs'


@pytest.fixture(autouse=True)
def _mmseg(mmseg_scope):
    """Data sets are built from their configs."""


@pytest.fixture
def make_pair(tmp_path):
    """A `DomainDataset` of so many source and target images."""

    def make(num_source=5, num_target=3, augment=()):
        stems = [f'{n:05}' for n in range(1, num_source + 1)]
        source = write_gta5(tmp_path / 'gta5', stems)
        target = write_cityscapes(tmp_path / 'city', 'train', num_target)
        return DATASETS.build(
            dict(
                type='DomainDataset',
                source=source_cfg(source, augment),
                target=target_cfg(target, augment),
            )
        )

    return make


@pytest.fixture
def root(tmp_path):
    """Two sources in a subfolder, one target, one validation image."""
    (tmp_path / 'classes.yaml').write_text(CLASSES)
    for name in ('a.jpg', 'b.png'):
        write_image(tmp_path / 'source/images/day' / name)
        label = np.zeros((6, 8))
        label[:3], label[5] = 3, 255
        write_label(tmp_path / 'source/labels/day' / f'{name[0]}.png', label)
    write_image(tmp_path / 'target/c.JPEG', (10, 4))
    write_image(tmp_path / 'val/images/d.png')
    write_label(tmp_path / 'val/labels/d.png', np.full((6, 8), 3))
    return tmp_path


@pytest.fixture
def cfg(root):
    """The folders of ``root`` as a config."""
    cfg = Config.fromfile(str(PAIRS / 'folders.py'))
    head = dict(num_classes=19, loss_decode=dict(type='CrossEntropyLoss'))
    cfg.model = dict(decode_head=head, neck=[dict(centers=dict(num_classes=19))])
    cfg.val_cfg, cfg.test_cfg = dict(type='ValLoop'), dict(type='TestLoop')
    cfg.merge_from_dict(
        {
            'folders.classes': str(root / 'classes.yaml'),
            'folders.source_images': str(root / 'source/images'),
            'folders.source_labels': str(root / 'source/labels'),
            'folders.target_images': str(root / 'target'),
            'folders.val_images': str(root / 'val/images'),
            'folders.val_labels': str(root / 'val/labels'),
            'folders.size': [32, 16],
        }
    )
    return cfg
