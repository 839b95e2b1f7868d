from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmseg.registry import DATA_SAMPLERS, DATASETS
from raw_files import LOAD_LABELLED, PACK, source_cfg, write_cityscapes, write_gta5

from cfcontra_mm.datasets.gta5 import GTA5_BLANK
from cfcontra_mm.errors import InputError

CONFIGS = Path(__file__).parents[2] / 'configs/_base_/pairs'


def test_reads_the_raw_layout(tmp_path):
    dataset = DATASETS.build(source_cfg(write_gta5(tmp_path, ['00001', '00002'])))
    assert len(dataset) == 2
    assert len(dataset.metainfo['classes']) == 19
    sample = dataset[1]
    assert sample['inputs'].shape == (3, 6, 8)
    # Label id 8 is the sidewalk, trainId 1.
    assert sample['data_samples'].gt_sem_seg.data.unique().tolist() == [1]


def test_leaves_out_the_blank_images(tmp_path):
    write_gta5(tmp_path, ['15187', '15188', '17705', '17706'])
    dataset = DATASETS.build(source_cfg(tmp_path))
    assert GTA5_BLANK == ('15188', '17705')
    stems = [dataset.get_data_info(i)['img_path'][-9:-4] for i in range(len(dataset))]
    assert stems == ['15187', '17706']


@pytest.mark.parametrize('folder', ['images', 'labels'])
def test_missing_and_empty_folders(tmp_path, folder):
    write_gta5(tmp_path, ['00001'])
    for path in (tmp_path / folder).iterdir():
        path.unlink()
    with pytest.raises(InputError, match=rf'{folder}: no \*\.png in it'):
        DATASETS.build(source_cfg(tmp_path))
    (tmp_path / folder).rmdir()
    with pytest.raises(InputError, match=rf'{folder}: no such folder'):
        DATASETS.build(source_cfg(tmp_path))


def test_images_without_labels_are_counted(tmp_path):
    write_gta5(tmp_path, ['00001', '00002', '00003'])
    (tmp_path / 'labels/00002.png').unlink()
    (tmp_path / 'labels/00003.png').unlink()
    with pytest.raises(InputError, match=r'00002\.png: no such label \(2 of 3'):
        DATASETS.build(source_cfg(tmp_path))


def test_split_file(tmp_path):
    write_gta5(tmp_path, ['00001', '00002', '00003'])
    (tmp_path / 'train.txt').write_text('00001\n00003\n')
    cfg = source_cfg(tmp_path)
    assert len(DATASETS.build(dict(cfg, ann_file='train.txt'))) == 2
    (tmp_path / 'train.txt').write_text('00001\n00003\n', encoding='utf-8-sig')
    assert len(DATASETS.build(dict(cfg, ann_file='train.txt'))) == 2
    with pytest.raises(InputError, match=r'val\.txt: no such split file'):
        DATASETS.build(dict(cfg, ann_file='val.txt'))
    (tmp_path / 'train.txt').write_text('00001\n00009\n')
    with pytest.raises(InputError, match=r'00009\.png: no such image \(1 of 2'):
        DATASETS.build(dict(cfg, ann_file='train.txt'))


def test_selected_classes_are_refused_rather_than_misread(tmp_path):
    cfg = source_cfg(write_gta5(tmp_path, ['00001']))
    dataset = DATASETS.build(dict(cfg, metainfo=dict(classes=('car', 'road'))))
    with pytest.raises(InputError, match=r'metainfo\.classes'):
        dataset[0]


class TestCityscapes:
    def cfg(self, root):
        prefix = dict(img_path='leftImg8bit/val', seg_map_path='gtFine/val')
        return dict(
            type='RawCityscapesDataset',
            data_root=str(root),
            data_prefix=prefix,
            pipeline=[*LOAD_LABELLED, *PACK],
        )

    def test_reads_label_ids_as_downloaded(self, tmp_path):
        dataset = DATASETS.build(self.cfg(write_cityscapes(tmp_path, 'val', 2)))
        assert len(dataset) == 2
        labels = dataset[0]['data_samples'].gt_sem_seg.data
        np.testing.assert_array_equal(labels, np.full((1, 6, 8), 13))

    def test_missing_folder_and_label(self, tmp_path):
        with pytest.raises(InputError, match='leftImg8bit/val: no such folder'):
            DATASETS.build(self.cfg(tmp_path))
        write_cityscapes(tmp_path, 'val', 2)
        next((tmp_path / 'gtFine/val/town').iterdir()).unlink()
        with pytest.raises(InputError, match=r'labelIds\.png: no such label \(1 of 2'):
            DATASETS.build(self.cfg(tmp_path))

    def test_empty_split(self, tmp_path):
        (tmp_path / 'leftImg8bit/val/town').mkdir(parents=True)
        with pytest.raises(InputError, match='leftImg8bit/val: no'):
            DATASETS.build(self.cfg(tmp_path))


@pytest.mark.parametrize(
    ('name', 'train_shape', 'test_shape', 'tta_views'),
    [
        ('gta2city', (3, 640, 1280), (3, 512, 1024), 12),
        ('toystreets', (3, 6, 8), (3, 6, 8), 6),
    ],
)
def test_shipped_configs_read_raw_data(
    tmp_path, name, train_shape, test_shape, tta_views
):
    cfg = Config.fromfile(str(CONFIGS / f'{name}.py'))
    train, val = cfg.train_dataloader.dataset, cfg.val_dataloader.dataset
    train.source.data_root = str(write_gta5(tmp_path, ['00001']))
    write_cityscapes(tmp_path, 'train', 1, labels=False)
    write_cityscapes(tmp_path, 'val', 1)
    train.target.data_root = val.data_root = str(tmp_path)
    samples = list(DATASETS.build(train))
    assert [s['data_samples'].domain for s in samples] == ['source', 'target']
    assert [s['inputs'].shape for s in samples] == [train_shape] * 2
    sample = DATASETS.build(val)[0]
    assert sample['inputs'].shape == test_shape
    assert sample['data_samples'].gt_sem_seg.data.shape == (1, 6, 8)
    assert sample['data_samples'].ori_shape == (6, 8)
    views = DATASETS.build(dict(val, pipeline=cfg.tta_pipeline))[0]
    assert len(views['inputs']) == tta_views
    sampler = DATA_SAMPLERS.build(
        cfg.train_dataloader.sampler,
        default_args=dict(dataset=DATASETS.build(train), seed=0),
    )
    assert sampler.batch_size == cfg.train_dataloader.batch_size
