from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmseg.registry import DATASETS
from raw_files import PACK, write_cityscapes, write_image, write_synthia_label

from cfcontra_mm.datasets import SYNTHIA_13, SYNTHIA_16
from cfcontra_mm.errors import InputError

CONFIGS = Path(__file__).parents[2] / 'configs/_base_/pairs'

PIPELINE = [
    dict(type='LoadImage'),
    dict(type='LoadSYNTHIALabels'),
    dict(type='MapLabels', table='synthia'),
    *PACK,
]


def build(root):
    cfg = dict(type='SYNTHIADataset', data_root=str(root), pipeline=PIPELINE)
    return DATASETS.build(cfg)


def test_reads_the_raw_layout(tmp_path):
    write_image(tmp_path / 'RGB/0000000.png')
    # 3 is SYNTHIA's road, 10 its person.
    label = np.full((6, 8), 3)
    label[:, 4:] = 10
    write_synthia_label(tmp_path / 'GT/LABELS/0000000.png', label)
    sample = build(tmp_path)[0]
    labels = sample['data_samples'].gt_sem_seg.data[0]
    assert len(build(tmp_path).metainfo['classes']) == 19
    assert labels[:, :4].unique().tolist() == [0]
    assert labels[:, 4:].unique().tolist() == [11]


def test_missing_label(tmp_path):
    write_image(tmp_path / 'RGB/0000000.png')
    write_image(tmp_path / 'RGB/0000001.png')
    write_synthia_label(tmp_path / 'GT/LABELS/0000000.png', np.full((6, 8), 3))
    with pytest.raises(InputError, match=r'0000001\.png: no such label \(1 of 2'):
        build(tmp_path)


def test_missing_folder(tmp_path):
    with pytest.raises(InputError, match='RGB: no such folder'):
        build(tmp_path)


def test_shipped_config_reads_raw_data_and_scores_the_subsets(tmp_path):
    cfg = Config.fromfile(str(CONFIGS / 'synthia2city.py'))
    write_image(tmp_path / 'RGB/0000000.png')
    write_synthia_label(tmp_path / 'GT/LABELS/0000000.png', np.full((6, 8), 3))
    train = cfg.train_dataloader.dataset
    train.source.data_root = str(tmp_path)
    train.target.data_root = str(write_cityscapes(tmp_path, 'train', 1))
    samples = list(DATASETS.build(train))
    assert [s['inputs'].shape for s in samples] == [(3, 640, 1280)] * 2
    assert samples[0]['data_samples'].gt_sem_seg.data.unique().tolist() == [0]
    subsets = cfg.val_evaluator[0].subsets
    assert subsets == dict(mIoU16=list(SYNTHIA_16), mIoU13=list(SYNTHIA_13))
