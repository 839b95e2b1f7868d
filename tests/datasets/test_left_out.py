"""No file of a data set is left out silently."""

import os
import os.path as osp
import shutil

import numpy as np
import pytest
from mmseg.registry import DATASETS
from raw_files import (
    source_cfg,
    target_cfg,
    write_cityscapes,
    write_gta5,
    write_image,
    write_label,
)

from cfcontra_mm.datasets import files
from cfcontra_mm.datasets.files import MAX_LEFT_OUT, list_files
from cfcontra_mm.errors import InputError

STEMS = [f'{n:05}' for n in range(1, 4)]


def folders_cfg(root):
    (root / 'classes.yaml').write_text(
        'classes:\n'
        '  - {name: road, color: [1, 2, 3], values: [7]}\n'
        '  - {name: walk, color: [4, 5, 6], values: [8]}\n'
    )
    return dict(
        type='FolderDataset',
        classes=str(root / 'classes.yaml'),
        data_root=str(root),
        data_prefix=dict(img_path='images', seg_map_path='labels'),
        pipeline=[],
    )


KINDS = {'raw': source_cfg, 'folders': folders_cfg}


@pytest.fixture(params=KINDS)
def build(request, tmp_path):
    """Build a data set of three images as a raw layout, or as folders."""
    write_gta5(tmp_path, STEMS)
    return lambda: DATASETS.build(KINDS[request.param](tmp_path))


@pytest.mark.parametrize(
    ('every', 'kept'), [(1, STEMS), (2, STEMS[::2]), (9, STEMS[:1])]
)
def test_every_nth_image_is_read(tmp_path, every, kept):
    write_gta5(tmp_path, STEMS)
    found = DATASETS.build(dict(source_cfg(tmp_path), every=every, pipeline=[]))
    names = [
        osp.basename(found.get_data_info(i)['img_path']) for i in range(len(found))
    ]
    assert names == [f'{stem}.png' for stem in kept]


def remove(path):
    path.unlink()


def break_link(path):
    path.unlink()
    path.symlink_to('nowhere.png')


def circle(path):
    path.unlink()
    path.symlink_to(path.name)


def folder(path):
    path.unlink()
    path.mkdir()


def another_format(path):
    path.rename(path.with_suffix('.bmp'))


@pytest.mark.parametrize('fault', [remove, break_link, circle, folder, another_format])
def test_an_image_that_is_not_read_is_named(build, tmp_path, fault):
    fault(tmp_path / 'images/00002.png')
    with pytest.raises(InputError, match='images: 1 left out, 2 read: ') as error:
        build()
    assert '00002' in str(error.value)
    assert 'more than 1%: restore' in str(error.value)


@pytest.mark.parametrize('fault', [break_link, circle, folder, another_format])
def test_unlabelled_images_likewise(tmp_path, fault):
    write_cityscapes(tmp_path, 'train', 3)
    fault(tmp_path / 'leftImg8bit/train/town/town_000001_000019_leftImg8bit.png')
    cfg = target_cfg(tmp_path)
    for prefix in ({}, dict(seg_map_path='gtFine/train')):
        cfg['data_prefix'].update(prefix)
        with pytest.raises(InputError, match=r'1 left out, 2 read: .*town_000001_0'):
            DATASETS.build(cfg)


def test_a_few_are_left_out_with_a_warning(build, tmp_path, monkeypatch):
    logged = []
    monkeypatch.setattr(files, 'print_log', lambda line, *_: logged.append(line))
    number = round(1 / MAX_LEFT_OUT)
    for n in range(4, number + 1):
        for name in ('images', 'labels'):
            shutil.copy(tmp_path / name / '00001.png', tmp_path / name / f'{n:05}.png')
    (tmp_path / 'images/00002.png').unlink()
    dataset = build()
    assert len(dataset) == number - 1
    line = f'images: 1 left out, {number - 1} read: {tmp_path}/labels/00002.png'
    assert dataset.left_out.endswith(line)
    assert logged == [dataset.left_out]


def test_only_the_first_ones_are_named(build, tmp_path):
    for n in range(5):
        write_label(tmp_path / f'labels/x{n}.png', np.zeros((6, 8)))
    with pytest.raises(InputError, match=r'x0\.png, .*x2\.png and 2 more; that is'):
        build()


@pytest.mark.parametrize('folders', [['images'], ['labels'], ['images', 'labels']])
def test_suffixes_in_upper_case_are_read(build, tmp_path, folders):
    for name in folders:
        for path in list((tmp_path / name).iterdir()):
            path.rename(path.with_suffix('.PNG'))
    assert len(build()) == 3


@pytest.mark.parametrize('kind', KINDS)
def test_two_images_of_one_name_are_refused(tmp_path, kind):
    write_gta5(tmp_path, STEMS)
    write_image(tmp_path / 'images/00001.PNG')
    with pytest.raises(InputError, match=r'00001\.png: duplicate name, as .*\.PNG'):
        DATASETS.build(KINDS[kind](tmp_path))


def test_images_in_a_second_format_are_named(tmp_path):
    write_gta5(tmp_path, STEMS)
    for stem in STEMS:
        write_image(tmp_path / f'images/{stem}.jpg')
    for suffix, other in (('.png', '.jpg'), ('.jpg', '.png')):
        dataset = DATASETS.build(dict(source_cfg(tmp_path), img_suffix=suffix))
        assert len(dataset) == 3
        assert f'images: 3 left out, 3 read: {tmp_path}' in dataset.left_out
        assert f'00001{other}, ' in dataset.left_out


def test_a_name_in_a_split_file_may_have_another_case(tmp_path):
    write_gta5(tmp_path, STEMS)
    (tmp_path / 'images/00001.png').rename(tmp_path / 'images/00001.PNG')
    (tmp_path / 'train.txt').write_text('00001\n\n00003\n')
    dataset = DATASETS.build(dict(source_cfg(tmp_path), ann_file='train.txt'))
    assert [d['img_path'][-9:] for d in map(dataset.get_data_info, range(2))] == [
        *('00001.PNG', '00003.png')
    ]


def test_further_files_of_cityscapes_are_no_fault(tmp_path):
    write_cityscapes(tmp_path, 'val', 3)
    for path in list((tmp_path / 'gtFine').rglob('*labelIds.png')):
        for kind in ('color.png', 'instanceIds.png', 'polygons.json'):
            shutil.copy(path, str(path).replace('labelIds.png', kind))
    (tmp_path / 'leftImg8bit/val/.hidden.png').write_text('a part of a file')
    cfg = target_cfg(tmp_path)
    cfg['data_prefix'] = dict(img_path='leftImg8bit/val', seg_map_path='gtFine/val')
    dataset = DATASETS.build(cfg)
    assert (len(dataset), dataset.left_out) == (3, '')


def test_images_and_labels_in_one_folder(tmp_path):
    write_cityscapes(tmp_path, 'val', 3)
    for path in [*tmp_path.rglob('*.png')]:
        path.rename(tmp_path / path.name)
    cfg = target_cfg(tmp_path)
    cfg['data_prefix'] = dict(img_path='.', seg_map_path='.')
    assert len(DATASETS.build(cfg)) == 3


def test_the_blank_images_of_gta5_may_be_gone(tmp_path):
    write_gta5(tmp_path, [*STEMS, '15188', '17705'])
    for stem in ('15188', '17705'):
        (tmp_path / f'images/{stem}.png').unlink()
    dataset = DATASETS.build(source_cfg(tmp_path))
    assert (len(dataset), dataset.left_out) == (3, '')


def test_linked_folders_are_read_and_circles_end(tmp_path):
    write_image(tmp_path / 'far/a.png')
    write_image(tmp_path / 'near/b.png')
    (tmp_path / 'near/link').symlink_to(tmp_path / 'far')
    (tmp_path / 'near/up').symlink_to(tmp_path)
    listing = list_files(str(tmp_path / 'near'), ['.png'], 'x')
    assert listing.files == ['b.png', 'link/a.png']


@pytest.mark.skipif(os.geteuid() == 0, reason='root may list every folder')
def test_a_folder_that_cannot_be_listed_is_named(tmp_path):
    write_image(tmp_path / 'a.png')
    (tmp_path / 'secret').mkdir(mode=0)
    with pytest.raises(InputError, match=r'secret: cannot be listed'):
        list_files(str(tmp_path), ['.png'], 'x')
