"""Every kind of wrong data is found before training, in one line."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image
from raw_files import write_cityscapes, write_gta5, write_image, write_label

from cfcontra_mm.datasets import apply_folders, check_cache
from cfcontra_mm.datasets import check_data as checked
from cfcontra_mm.datasets.check_cache import fingerprint, stat_files
from cfcontra_mm.datasets.check_data import check_data, shared_images
from cfcontra_mm.errors import InputError

PAIRS = Path(__file__).parents[2] / 'configs/_base_/pairs'
CODE = check_cache.CODE
LABEL = 'city/gtFine/val/town/town_000001_000019_gtFine_labelIds.png'
IMAGE = LABEL.replace('gtFine/val', 'leftImg8bit/val').replace(
    'gtFine_labelIds', 'leftImg8bit'
)


@pytest.fixture
def place(tmp_path):
    """GTA5 and Cityscapes, three images each."""
    write_gta5(tmp_path / 'gta5', ['00001', '00002', '00003'])
    for split in ('train', 'val'):
        write_cityscapes(tmp_path / 'city', split, 3)
    for number, path in enumerate(sorted((tmp_path / 'city').rglob('*8bit.png'))):
        write_image(path, value=100 + number)
    return tmp_path


def raw_cfg(place, name='toystreets'):
    cfg = Config.fromfile(str(PAIRS / f'{name}.py'))
    cfg.train_dataloader.dataset.source.data_root = str(place / 'gta5')
    for node in (
        cfg.train_dataloader.dataset.target,
        cfg.val_dataloader.dataset,
        cfg.test_dataloader.dataset,
        cfg.labelled_target,
    ):
        node.data_root = str(place / 'city')
    return cfg


def relabel(path, label):
    """Write other values, in the size of the image."""
    write_label(path, np.broadcast_to(np.asarray(label), (6, 8)))


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


def zero(path):
    """Damage what only decoding reveals: header and end stay."""
    noise = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    Image.fromarray(noise).save(path)
    content = bytearray(path.read_bytes())
    content[60:90] = bytes(30)
    path.write_bytes(content)


def colour(path):
    Image.open(path).convert('RGB').save(path)


def sixteen_bits(path):
    Image.fromarray(np.full((6, 8), 7, np.uint16)).save(path)


FAULTS = {
    'a label in colour': (LABEL, colour, 'not an 8-bit single-channel PNG'),
    'a label of 16 bits': (LABEL, sixteen_bits, 'not an 8-bit single-channel PNG'),
    'a label with lost values': (
        LABEL,
        lambda path: Image.open(path).save(path, 'JPEG'),
        'not an 8-bit single-channel PNG',
    ),
    'a label of another size': (
        LABEL,
        lambda path: write_label(path, np.full((6, 9), 26)),
        'size mismatch: the label is 9x6, its image 8x6',
    ),
    'a label of no ids': (
        LABEL,
        lambda path: relabel(path, 77),
        'label value 77 is no id of cityscapes',
    ),
    'a truncated label': (LABEL, truncate, 'truncated or not an image'),
    'a truncated image': (IMAGE, truncate, 'truncated or not an image'),
    'a truncated target': (
        IMAGE.replace('/val/', '/train/'),
        truncate,
        'truncated or not an image',
    ),
    'a truncated source': ('gta5/images/00002.png', truncate, 'truncated or not an'),
    'a damaged image': (IMAGE, zero, 'truncated or not an image'),
    'a damaged target': (
        IMAGE.replace('/val/', '/train/'),
        zero,
        'truncated or not an image',
    ),
    'an empty file': (IMAGE, lambda path: path.write_bytes(b''), 'truncated or not'),
    'a text': (IMAGE, lambda path: path.write_text('hello'), 'truncated or not an'),
}


@pytest.mark.parametrize('fault', FAULTS)
def test_a_wrong_file_is_named(place, fault, capfd):
    name, damage, message = FAULTS[fault]
    damage(place / name)
    with pytest.raises(InputError, match=message) as error:
        check_data(raw_cfg(place))
    assert capfd.readouterr().err == ''
    assert str(error.value).startswith(str(place / name))
    assert '\n' not in str(error.value)


def test_several_unreadable_files_are_counted(place):
    for path in (place / 'gta5/images').iterdir():
        truncate(path)
    with pytest.raises(InputError, match=r'restore the file \(and 2 other files\)'):
        check_data(raw_cfg(place))


def test_right_data_pass(place):
    lines = check_data(raw_cfg(place)).splitlines()
    assert lines[0] == f'source: 3 images, 8x6 ({place}/gta5/images)'
    assert lines[1] == f'target: 3 images, 8x6 ({place}/city/leftImg8bit/train)'
    assert lines[2] == f'validation: 3 images, 8x6 ({place}/city/leftImg8bit/val)'
    assert 'values in source' in lines[4]
    assert 'values in validation' not in lines[4]
    road = next(line for line in lines if line.startswith('| road '))
    assert [cell.strip() for cell in road.split('|')][2:5] == ['7', '66.67', '2']
    assert lines[-2].startswith('warning: 3 labels of the source have no building')


@pytest.mark.parametrize(
    ('values', 'found'),
    [
        ([0, 1, 2, 8, 10, 13], True),
        ([0, 1, 255], True),
        ([0, 2, 5, 7, 8, 9, 10, 11, 13], True),
        ([2, 8, 13], True),
        ([7, 8, 11, 17], False),
        ([7, 8, 8, 0], False),
        ([7, 11, 21, 23, 26, 0, 1, 2, 3, 4, 5, 6], False),
        ([0, 1, 2, 3, 4, 26], False),
    ],
)
@pytest.mark.parametrize('part', ['gta5/labels', 'city/gtFine/val'])
def test_train_ids_are_told_from_label_ids(place, part, values, found):
    label = np.resize(values, (6, 8))
    for path in (place / part).rglob('*.png'):
        relabel(path, label)
    cfg = raw_cfg(place)
    if found:
        with pytest.raises(InputError, match=rf'{part}.*: the label values .* trainId'):
            check_data(cfg)
    else:
        check_data(cfg)


def test_label_ids_are_told_from_train_ids(place):
    cfg = raw_cfg(place)
    pipeline = cfg.val_dataloader.dataset.pipeline
    cfg.val_dataloader.dataset.pipeline = [
        step for step in pipeline if step.type != 'MapLabels'
    ]
    with pytest.raises(InputError, match=r'labelIds\.png: class 26 is not one of the'):
        check_data(cfg)


@pytest.mark.parametrize('value', [0, 255])
@pytest.mark.parametrize('part', ['gta5/labels', 'city/gtFine/val'])
def test_labels_without_any_class_are_refused(place, part, value):
    for path in (place / part).rglob('*.png'):
        relabel(path, value)
    with pytest.raises(InputError, match=rf'{part}.*: '):
        check_data(raw_cfg(place))


def test_mostly_ignored_labels_get_a_warning(place):
    for path in (place / 'gta5/labels').iterdir():
        relabel(path, [4, 4, 4, 4, 4, 4, 7, 26])
    assert (
        'warning: 75% of the pixels of the source have no class; label values 4, 7'
        in (check_data(raw_cfg(place)))
    )


def share_target_and_source(cfg, place):
    cfg.train_dataloader.dataset.target = dict(
        cfg.train_dataloader.dataset.source,
        data_prefix=dict(img_path='images'),
        pipeline=cfg.target_pipeline,
    )


def share_target_and_validation(cfg, place):
    cfg.train_dataloader.dataset.target.data_prefix.img_path = 'leftImg8bit/val'


def share_source_and_validation(cfg, place):
    cfg.train_dataloader.dataset.source = cfg.val_dataloader.dataset


def share_through_links(cfg, place):
    shutil.rmtree(place / 'city/leftImg8bit/train')
    (place / 'city/leftImg8bit/train').symlink_to(place / 'city/leftImg8bit/val')


def share_copies(cfg, place):
    shutil.rmtree(place / 'city/leftImg8bit/train')
    shutil.copytree(
        place / 'city/leftImg8bit/val/town', place / 'city/leftImg8bit/train/a/b'
    )


def share_copies_of_the_source(cfg, place):
    target = place / 'city/leftImg8bit/train'
    shutil.rmtree(target)
    target.mkdir()
    for number, path in enumerate(sorted((place / 'gta5/images').iterdir())):
        shutil.copyfile(path, target / f'x_{9 - number}_leftImg8bit.png')


def share_with_the_test_set(cfg, place):
    test = dict(
        cfg.test_dataloader.dataset, data_prefix=cfg.labelled_target.data_prefix
    )
    cfg.test_dataloader = dict(cfg.test_dataloader, dataset=test)


@pytest.mark.parametrize(
    ('share', 'names'),
    [
        (share_target_and_source, 'source and of the target'),
        (share_target_and_validation, 'target and of the validation'),
        (share_source_and_validation, 'source and of the validation'),
        (share_through_links, 'target and of the validation'),
        (share_copies, 'target and of the validation'),
        (share_copies_of_the_source, 'source and of the target'),
        (share_with_the_test_set, 'target and of the test'),
    ],
)
def test_data_sets_that_overlap_are_refused(place, share, names):
    cfg = raw_cfg(place)
    share(cfg, place)
    with pytest.raises(InputError, match=rf'is an image of the {names}, as are 2'):
        check_data(cfg)


@pytest.mark.parametrize(('copied', 'found'), [(5, 5), (3, 3), (2, 0), (0, 0)])
@pytest.mark.parametrize('more', [0, 30])
def test_copies_are_told_by_their_content(tmp_path, copied, found, more):
    """All files have one size; some of five have the content of another one."""
    small = [tmp_path / f'a{number}' for number in range(5)]
    large = [tmp_path / f'b{number}' for number in range(5 + more)]
    for number, path in enumerate(large):
        path.write_bytes(b'%05d' % number * 3000)
    for number, path in enumerate(small):
        equal = number < copied
        path.write_bytes((b'%05d' % (number if equal else 100 + number)) * 3000)
    first, second = [str(p) for p in small], [str(p) for p in large]
    files = stat_files([*first, *second])
    assert shared_images(first, second, files) == first[:found]
    assert shared_images(second, first, files)[:found] == (
        first[:found] if more else second[:found]
    )


def test_a_test_set_that_is_not_there_is_no_fault_in_training(place):
    cfg = raw_cfg(place)
    test = cfg.test_dataloader.to_dict()
    test['dataset']['data_root'] = '/nowhere'
    cfg.test_dataloader = test
    last = check_data(cfg).splitlines()[-1]
    assert last == 'warning: test: no folder /nowhere/leftImg8bit/val'
    test['dataset']['data_root'] = str(place / 'city')
    test['dataset']['data_prefix'] = dict(img_path='leftImg8bit/val')
    cfg.test_dataloader = test
    assert f'test: 3 images, 8x6 ({place}' in check_data(cfg)


def test_the_oracle_passes(place):
    cfg = raw_cfg(place)
    cfg.train_dataloader.dataset.source = cfg.labelled_target
    assert 'source: 3 images' in check_data(cfg)


def test_some_of_the_labelled_target_images_beside_the_source_pass(place):
    cfg = raw_cfg(place)
    source = cfg.train_dataloader.dataset.source
    few = dict(cfg.labelled_target, every=2)
    cfg.train_dataloader.dataset.source = [source, few]
    lines = check_data(cfg).splitlines()
    assert lines[0].startswith('source[0]: 3 images')
    assert lines[1].startswith('source[1]: 2 images')
    # But neither validation images nor any other set of the target's.
    images = few['data_prefix']['img_path']
    others = (
        cfg.val_dataloader.dataset.data_prefix,
        dict(img_path=images, seg_map_path='./gtFine/train'),
    )
    for prefix in others:
        other = dict(few, data_prefix=prefix)
        cfg.train_dataloader.dataset.source = [source, other]
        with pytest.raises(InputError, match=r'is an image of the source\[1\] and of'):
            check_data(cfg)


def test_labels_of_target_training_images_are_not_read(place):
    for path in (place / 'city/gtFine/train').rglob('*.png'):
        path.write_text('no label')
    check_data(raw_cfg(place))
    cfg = raw_cfg(place)
    cfg.train_dataloader.dataset.target.data_prefix.seg_map_path = 'gtFine/train'
    with pytest.raises(InputError, match=r'target .*: has labels, which training must'):
        check_data(cfg)


def test_lists_and_wrappers_are_looked_into(place):
    cfg = raw_cfg(place)
    source = cfg.train_dataloader.dataset.source
    other = dict(source, data_root=str(write_gta5(place / 'other', ['00007'])))
    cfg.train_dataloader.dataset.source = [
        source,
        dict(type='RepeatDataset', dataset=other, times=3),
    ]
    report = check_data(cfg)
    assert 'source[0]: 3 images' in report
    assert 'source[1]: 1 images' in report
    colour(place / 'other/labels/00007.png')
    with pytest.raises(InputError, match=r'00007\.png: not an 8-bit'):
        check_data(cfg)


@pytest.mark.parametrize('node', [5, 'data', dict(data_root='x'), [3]])
@pytest.mark.parametrize('domain', ['source', 'target'])
def test_what_is_no_data_set_is_refused(place, domain, node):
    cfg = raw_cfg(place).to_dict()
    cfg['train_dataloader']['dataset'][domain] = node
    with pytest.raises(
        InputError, match=rf'{domain}: must be the config of a data set'
    ):
        check_data(Config(cfg))


def test_names_in_any_encoding_pass(place):
    name = os.fsdecode(b'\xff.png')
    for folder in ('images', 'labels'):
        (place / 'gta5' / folder / '00001.png').rename(place / 'gta5' / folder / name)
    assert check_data(raw_cfg(place)) == check_data(raw_cfg(place))


def test_other_classes_are_refused(place):
    cfg = raw_cfg(place)
    metainfo = dict(classes=('car', 'road'), palette=[[0, 0, 0], [1, 1, 1]])
    cfg.val_dataloader.dataset.metainfo = metainfo
    with pytest.raises(InputError, match='validation: its 2 classes differ from'):
        check_data(cfg)


def test_a_rotated_image_fits_its_label(place):
    path = place / 'gta5/images/00001.png'
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new('RGB', (6, 8)).save(path, exif=exif)
    assert 'source: 3 images, 8x6 (' in check_data(raw_cfg(place))


def test_sizes_may_differ_as_far_as_the_pipeline_tolerates(place):
    write_image(place / 'gta5/images/00001.png', (200, 100))
    write_label(place / 'gta5/labels/00001.png', np.full((101, 200), 7))
    cfg = raw_cfg(place, 'gta2city')
    report = check_data(cfg)
    assert 'source: 3 images, 8x6 (2), 200x100 (1) (' in report
    cfg.source_pipeline[2].size_tolerance = 0
    cfg.train_dataloader.dataset.source.pipeline = cfg.source_pipeline
    with pytest.raises(InputError, match='the label is 200x101, its image 200x100'):
        check_data(cfg)


class TestFolders:
    def rows(self, text):
        lines = [line.split('|') for line in text.splitlines()]
        rows = {cells[1].strip(): cells[2:-1] for cells in lines if cells[1:]}
        return {name: [cell.strip() for cell in cells] for name, cells in rows.items()}

    def test_counts_sizes_values_and_shares(self, cfg):
        cfg.model.decode_head.loss_decode.class_weight = [1.0, 2.5, 4.0]
        apply_folders(cfg)
        text = check_data(cfg)
        rows = self.rows(text)
        # Three rows of car, two of road, one ignored.
        assert rows['road'] == ['0, 7', '40.00', '2', '0.00', '0', '1.0']
        assert rows['car'] == ['3', '60.00', '2', '100.00', '1', '2.5']
        assert rows['ufo'] == ['9', '0.00', '0', '0.00', '0', '4.0']
        assert 'source: 2 images, 8x6 (' in text
        assert 'target: 1 images, 10x4 (' in text
        assert 'validation: 1 images, 8x6 (' in text
        assert 'warning: 2 labels of the source have no ufo' in text

    def test_counts_other_sizes(self, cfg, root):
        write_image(root / 'target/d.png', (9, 9))
        apply_folders(cfg)
        assert 'target: 2 images, 10x4 (1), 9x9 (1) (' in check_data(cfg)

    @pytest.mark.parametrize('name', ['source/labels/day/a.png', 'val/labels/d.png'])
    def test_wrong_values_are_found(self, cfg, root, name):
        apply_folders(cfg)
        relabel(root / name, 42)
        with pytest.raises(InputError, match=rf'{name}: label value 42 is not in'):
            check_data(cfg)

    def test_target_and_source_in_one_folder(self, cfg, root):
        cfg.folders.target_images = str(root / 'source/images')
        apply_folders(cfg)
        with pytest.raises(InputError, match='of the source and of the target'):
            check_data(cfg)


class TestCache:
    @pytest.fixture(autouse=True)
    def _own_cache(self, tmp_path, monkeypatch):
        monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))

    @pytest.fixture
    def read(self, monkeypatch):
        """The number of headers that have been read."""
        paths = []
        original = checked.read_header
        monkeypatch.setattr(
            checked, 'read_header', lambda path: paths.append(path) or original(path)
        )
        return paths

    def test_unchanged_data_are_read_once(self, place, read):
        first = check_data(raw_cfg(place))
        number = len(read)
        assert check_data(raw_cfg(place)) == first
        assert len(read) == number == 3 * 5

    @pytest.mark.parametrize('name', ['gta5/images/00002.png', LABEL])
    def test_a_changed_file_is_read_again(self, place, read, name):
        check_data(raw_cfg(place))
        truncate(place / name)
        with pytest.raises(InputError, match='truncated'):
            check_data(raw_cfg(place))

    def test_a_changed_file_of_the_same_size_is_read_again(self, place):
        check_data(raw_cfg(place))
        size = (place / LABEL).stat().st_size
        relabel(place / LABEL, 77)
        assert (place / LABEL).stat().st_size == size
        with pytest.raises(InputError, match='label value 77'):
            check_data(raw_cfg(place))

    def test_a_file_changed_in_place_is_read_again(self, place):
        check_data(raw_cfg(place))
        before = (place / LABEL).stat()
        relabel(place / LABEL, 77)
        os.utime(place / LABEL, ns=(before.st_atime_ns, before.st_mtime_ns))
        after = (place / LABEL).stat()
        assert after.st_size == before.st_size
        assert after.st_mtime_ns == before.st_mtime_ns
        with pytest.raises(InputError, match='label value 77'):
            check_data(raw_cfg(place))

    def test_another_check_checks_again(self, tmp_path, monkeypatch):
        keys = []
        for text in ('a', 'b'):
            (tmp_path / 'check.py').write_text(text)
            monkeypatch.setattr(check_cache, 'CODE', [tmp_path / 'check.py'])
            check_cache._code.cache_clear()
            keys.append(fingerprint((), {}))
        check_cache._code.cache_clear()
        assert keys[0] != keys[1]
        names = {path.name for path in CODE}
        assert {'check_data.py', 'check_labels.py', 'images.py'} <= names

    def test_a_changed_setting_is_checked_again(self, place, read):
        check_data(raw_cfg(place))
        cfg = raw_cfg(place)
        cfg.train_dataloader.dataset.source.pipeline[2].table = 'synthia'
        number = len(read)
        check_data(cfg)
        assert len(read) == 2 * number

    def test_data_that_did_not_pass_are_read_again(self, place, read):
        colour(place / LABEL)
        for _ in range(2):
            with pytest.raises(InputError, match='8-bit'):
                check_data(raw_cfg(place))

    @pytest.mark.parametrize('kind', ['file', 'damaged'])
    def test_without_a_cache_it_works_too(self, place, tmp_path, kind):
        if kind == 'file':
            (tmp_path / 'cache').write_text('no folder')
        first = check_data(raw_cfg(place))
        if kind == 'damaged':
            (entry,) = set((tmp_path / 'cache').rglob('*.txt')) - set(
                (tmp_path / 'cache').rglob('lock.txt')
            )
            entry.write_bytes(b'\xff\xfe')
        assert check_data(raw_cfg(place)) == first

    def test_nothing_partial_is_kept(self, place, tmp_path):
        check_data(raw_cfg(place))
        assert not [n for n in os.listdir(tmp_path / 'cache') if n.startswith('.')]
