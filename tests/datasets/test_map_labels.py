import cv2
import numpy as np
import pytest
from mmseg.registry import TRANSFORMS
from PIL import Image
from raw_files import write_image, write_p_label, write_synthia_label

from cfcontra_mm.datasets import SYNTHIA_13, SYNTHIA_16
from cfcontra_mm.errors import InputError

# Typed from cityscapesScripts' labels.py, ids 0-34, and SYNTHIA's README, ids 0-22.
CITYSCAPES = [
    *(255, 255, 255, 255, 255, 255, 255, 0, 1, 255, 255, 2, 3, 4, 255, 255, 255, 5),
    *(255, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 255, 255, 16, 17, 18, 255),
]
SYNTHIA = [
    *(255, 10, 2, 0, 1, 4, 8, 5, 13, 7, 11, 18, 17, 255, 255, 6, 9, 12, 14, 15, 16, 3),
    255,
]
RAMP = np.arange(256).reshape(16, 16)
IDS = np.arange(35).reshape(5, 7)
SYNTHIA_IDS = np.arange(23).reshape(1, 23)


def load(path, *transforms, **info):
    results = dict(seg_map_path=str(path), seg_fields=[], **info)
    for cfg in transforms:
        results = TRANSFORMS.build(cfg)(results)
    return results['gt_seg_map']


def test_gta5_table_over_all_values(tmp_path):
    path = write_p_label(tmp_path / 'a.png', IDS)
    assert Image.open(path).mode == 'P'
    mapped = load(
        path, dict(type='LoadLabels'), dict(type='MapLabels', table='cityscapes')
    )
    assert mapped.dtype == np.uint8
    np.testing.assert_array_equal(mapped, np.reshape(CITYSCAPES, (5, 7)))


def test_label_ids_in_grey_read_like_palette_ones(tmp_path):
    Image.fromarray(RAMP.astype(np.uint8)).save(tmp_path / 'a.png')
    label = load(tmp_path / 'a.png', dict(type='LoadLabels'))
    np.testing.assert_array_equal(label, RAMP)


def test_synthia_table_over_all_values(tmp_path):
    path = write_synthia_label(tmp_path / 'a.png', SYNTHIA_IDS)
    mapped = load(
        path, dict(type='LoadSYNTHIALabels'), dict(type='MapLabels', table='synthia')
    )
    assert mapped.dtype == np.uint8
    np.testing.assert_array_equal(mapped, [SYNTHIA])


@pytest.mark.parametrize(
    ('write', 'loader', 'table', 'ids'),
    [
        (write_p_label, 'LoadLabels', 'cityscapes', 35),
        (write_synthia_label, 'LoadSYNTHIALabels', 'synthia', 23),
    ],
)
def test_values_that_are_no_ids_are_refused_beyond_a_share(
    tmp_path, write, loader, table, ids
):
    label = np.full((10, 20), 7)
    label[0, 0], label[0, 1] = ids, 255
    steps = dict(type=loader), dict(type='MapLabels', table=table)
    mapped = load(write(tmp_path / 'few.png', label), *steps)
    assert mapped[0, :2].tolist() == [255, 255]
    label[0, 0], label[5, :3] = 7, ids
    with pytest.raises(
        InputError, match=rf'many\.png: label value {ids} is no id of {table}'
    ):
        load(write(tmp_path / 'many.png', label), *steps)


def test_synthia_subsets():
    from mmseg.datasets import CityscapesDataset

    names = CityscapesDataset.METAINFO['classes']
    train_ids = [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 15, 17, 18]
    assert [names.index(c) for c in SYNTHIA_16] == train_ids
    assert [names.index(c) for c in SYNTHIA_13] == train_ids[:3] + train_ids[6:]


@pytest.mark.parametrize('size', [(1046, 1914), (1052, 1920)])
def test_gta5_pairs_off_by_pixels_are_tolerated_where_set(tmp_path, size):
    path = write_p_label(tmp_path / 'a.png', np.full(size, 7))
    strict = dict(type='MapLabels', table='cityscapes')
    tolerant = dict(strict, size_tolerance=0.02)
    shape = dict(ori_shape=(1052, 1914))
    assert load(path, dict(type='LoadLabels'), tolerant, **shape).shape == size
    with pytest.raises(InputError, match=r'a\.png: size mismatch: .* 1914x1052'):
        load(path, dict(type='LoadLabels'), strict, **shape)


def test_label_of_another_size_is_refused_despite_tolerance(tmp_path):
    path = write_p_label(tmp_path / 'a.png', np.full((60, 97), 7))
    tolerant = dict(type='MapLabels', table='cityscapes', size_tolerance=0.02)
    with pytest.raises(InputError, match=r'label is 97x60, its image 100x60'):
        load(path, dict(type='LoadLabels'), tolerant, ori_shape=(60, 100))


def test_unknown_table_is_refused():
    with pytest.raises(InputError, match=r"MapLabels\.table: unknown table 'gta6'"):
        TRANSFORMS.build(dict(type='MapLabels', table='gta6'))


@pytest.mark.parametrize('mode', ['RGB', 'I;16', '1'])
def test_label_of_another_kind_is_refused(tmp_path, mode):
    array = dict(
        zip(
            ['RGB', 'I;16', '1'],
            [np.zeros((4, 4, 3), np.uint8), RAMP.astype(np.uint16), RAMP > 9],
            strict=True,
        )
    )[mode]
    Image.fromarray(array).save(tmp_path / 'a.png')
    with pytest.raises(InputError, match=r'a\.png: not an 8-bit single-channel'):
        load(tmp_path / 'a.png', dict(type='LoadLabels'))


def test_synthia_reader_refuses_other_kinds(tmp_path):
    write_p_label(tmp_path / 'a.png', RAMP)
    write_synthia_label(tmp_path / 'b.png', RAMP + 300)
    for name in 'ab':
        with pytest.raises(InputError, match=rf"{name}\.png: not one of SYNTHIA's"):
            load(tmp_path / f'{name}.png', dict(type='LoadSYNTHIALabels'))


@pytest.mark.parametrize('loader', ['LoadLabels', 'LoadSYNTHIALabels', 'LoadImage'])
@pytest.mark.parametrize('damage', ['truncated', 'empty', 'text', 'absent'])
def test_damaged_files_are_named(tmp_path, loader, damage):
    path = tmp_path / 'broken.png'
    noise = np.random.default_rng(0).integers(0, 256, (64, 64))
    if loader == 'LoadImage':
        write_image(path, (64, 64))
    elif loader == 'LoadLabels':
        write_p_label(path, noise)
    else:
        write_synthia_label(path, noise)
    content = path.read_bytes()
    path.write_bytes(
        dict(truncated=content[: len(content) // 2], empty=b'', text=b'hello').get(
            damage, b''
        )
    )
    if damage == 'absent':
        path.unlink()
    reason = 'no such file' if damage == 'absent' else 'truncated or not an image'
    with pytest.raises(InputError, match=rf'broken\.png: {reason}') as error:
        TRANSFORMS.build(dict(type=loader))(
            dict(img_path=str(path), seg_map_path=str(path), seg_fields=[])
        )
    assert '\n' not in str(error.value)


def test_truncated_jpeg_is_named(tmp_path):
    path = write_image(tmp_path / 'a.jpg', (64, 64))
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InputError, match=r'a\.jpg: truncated'):
        TRANSFORMS.build(dict(type='LoadImage'))(dict(img_path=str(path)))


def test_images_are_bgr(tmp_path):
    path = write_image(tmp_path / 'a.png', value=(10, 20, 30))
    img = TRANSFORMS.build(dict(type='LoadImage'))(dict(img_path=str(path)))['img']
    assert img[0, 0].tolist() == [30, 20, 10]
    np.testing.assert_array_equal(img, cv2.imread(str(path)))


def test_resize_is_pillow_bicubic_for_images_and_nearest_for_labels(tmp_path):
    path = write_image(tmp_path / 'a.png', (40, 30))
    label = write_p_label(tmp_path / 'b.png', np.arange(1200).reshape(30, 40) % 34)
    results = dict(img_path=str(path), seg_map_path=str(label), seg_fields=[])
    resize = dict(
        type='Resize', scale=(16, 8), backend='pillow', interpolation='bicubic'
    )
    for cfg in (dict(type='LoadImage'), dict(type='LoadLabels'), resize):
        results = TRANSFORMS.build(cfg)(results)
    image = Image.open(path).resize((16, 8), Image.Resampling.BICUBIC)
    ids = Image.open(label).resize((16, 8), Image.Resampling.NEAREST)
    np.testing.assert_array_equal(results['img'][..., ::-1], np.array(image))
    np.testing.assert_array_equal(results['gt_seg_map'], np.array(ids))
