import hashlib
import json
import shutil
from collections import Counter
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image
from translators import MODEL, write_checkpoint, write_config

import cfcontra_mm
from cfcontra_mm.datasets import LoadImage
from cfcontra_mm.errors import InputError
from cfcontra_mm.translation import copy_dataset as translate
from cfcontra_mm.translation import (
    image_statistics,
    load_translator,
    translate_image,
)
from cfcontra_mm.translation.copy_dataset import translate_dataset
from cfcontra_mm.translation.copy_plan import Options, assign_styles
from cfcontra_mm.translation.stylize import read_image

CAMVID = Path(__file__).parents[2] / 'configs/_base_/classes/camvid11.yaml'


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    return write_checkpoint(tmp_path_factory.mktemp('translator') / 'iter_1.pth')


@pytest.fixture
def pair(toystreets, tmp_path):
    """A copy of the ToyStreets pair that a test may change."""
    shutil.copytree(toystreets, tmp_path / 'pair')
    return tmp_path / 'pair'


@pytest.fixture
def config(pair, tmp_path):
    return write_config(tmp_path / 'config.py', pair)


@pytest.fixture
def model(config, checkpoint):
    return load_translator(config, checkpoint)


@pytest.fixture
def run(config, checkpoint, model, tmp_path):
    """Translates to a folder of `tmp_path`, which it returns."""

    def run(out='out', cfg=None, **options):
        cfg = cfg or Config.fromfile(config)
        translate_dataset(cfg, model, checkpoint, tmp_path / out, Options(**options))
        return tmp_path / out

    return run


def files(folder):
    """Name -> content of all files, links followed."""
    paths = [path for path in folder.rglob('*') if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def city(pair):
    folder = pair / 'cityscapes' / 'leftImg8bit' / 'train'
    return sorted(folder.rglob('*.png'))


def cut(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


class TestCopy:
    def test_layout_and_manifest(self, run, pair, checkpoint):
        out = run(alpha=0.5, seed=3)
        names = [f'images/0000{n}.png' for n in range(1, 5)]
        folders = {path.name for path in out.iterdir()}
        assert folders == {'images', 'labels', 'translation.json'}
        assert sorted(f'images/{p.name}' for p in (out / 'images').iterdir()) == names
        assert (out / 'labels').readlink() == (pair / 'gta5' / 'labels').resolve()
        manifest = json.loads((out / 'translation.json').read_text())
        styles = manifest.pop('pictures')
        assert list(styles) == names
        assert set(styles.values()) <= set(map(str, city(pair)))
        digest = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
        assert manifest == dict(
            version=cfcontra_mm.__version__,
            model=json.loads(json.dumps(MODEL)),
            checkpoint_sha256=digest,
            direction='source_to_target',
            alpha=0.5,
            seed=3,
            folders=[
                str(pair / 'gta5' / 'images'),
                str(pair / 'cityscapes' / 'leftImg8bit/train'),
            ],
        )

    def test_images_are_those_of_the_manifest(self, run, pair, model):
        out = run(alpha=0.7)
        manifest = json.loads((out / 'translation.json').read_text())
        for name, style in manifest['pictures'].items():
            statistics = image_statistics(model, read_image(style))
            image = read_image(pair / 'gta5' / name)
            wanted = translate_image(model, image, statistics, 0.7)
            assert (read_image(out / name) == wanted).all()

    def test_a_config_reads_it(self, run):
        from mmseg.registry import DATASETS

        out = run()
        dataset = DATASETS.build(
            dict(type='GTA5Dataset', data_root=str(out), pipeline=[])
        )
        info = dataset[3]
        assert info['img_path'] == str(out / 'images' / '00004.png')
        assert Path(info['seg_map_path']).is_file()

    def test_target_to_source(self, run, pair):
        out = run(direction='target_to_source')
        names = [str(p.relative_to(pair / 'cityscapes')) for p in city(pair)]
        assert sorted(n for n in files(out) if n.startswith('left')) == names
        assert (out / 'gtFine').is_symlink()
        manifest = json.loads((out / 'translation.json').read_text())
        assert {Path(s).parent for s in manifest['pictures'].values()} == {
            pair / 'gta5' / 'images'
        }

    def test_out_in_data_root_is_not_linked_to_itself(self, run, pair):
        (pair / 'gta5' / 'translated').mkdir()
        out = run(out='pair/gta5/translated/one')
        assert {p.name for p in out.iterdir()} == {
            'images', 'labels', 'translation.json',
        }  # fmt: skip

    def test_labels_are_copied_where_links_are_refused(self, run, pair):
        with mock.patch.object(Path, 'symlink_to', side_effect=PermissionError):
            out = run()
        assert not (out / 'labels').is_symlink()
        assert files(out / 'labels') == files(pair / 'gta5' / 'labels')
        assert not list(out.rglob('*.tmp'))

    def test_labels_are_copied_whole_or_not_at_all(self, run, tmp_path):
        def fill_the_disk(folder, copy, **kwargs):
            copy.mkdir()
            raise OSError(28, 'full')

        with (
            mock.patch.object(Path, 'symlink_to', side_effect=PermissionError),
            mock.patch.object(shutil, 'copytree', fill_the_disk),
            pytest.raises(OSError, match='full'),
        ):
            run()
        assert not (tmp_path / 'out' / 'labels').exists()

    @pytest.mark.parametrize('same_name', [False, True])
    def test_folders_without_a_root(self, run, pair, tmp_path, same_name):
        names = dict(img_path='images', seg_map_path='labels')
        if same_name:
            names = dict(img_path='images/train', seg_map_path='labels/train')
        for kind, name in zip(['images', 'labels'], names.values(), strict=True):
            shutil.copytree(pair / 'gta5' / kind, tmp_path / 'mine' / name)
        source, target = (
            dict(
                type='FolderDataset',
                classes=str(CAMVID),
                data_prefix=prefix,
            )
            for prefix in (
                {key: str(tmp_path / 'mine' / name) for key, name in names.items()},
                dict(img_path=str(pair / 'cityscapes/leftImg8bit/train')),
            )
        )
        dataset = dict(source=source, target=target)
        out = run(cfg=Config(dict(model=MODEL, train_dataloader=dict(dataset=dataset))))
        images, labels = ('train', 'train_labels') if same_name else names.values()
        assert len(list((out / images).glob('*.png'))) == 4
        assert (out / labels).readlink() == tmp_path / 'mine' / names['seg_map_path']


class TestImages:
    def test_kinds_and_sizes(self, run, pair):
        images = pair / 'gta5' / 'images'
        with Image.open(images / '00001.png') as opened:
            image = opened.convert('RGB')
        kinds = {
            '00001': image.resize((51, 37)).convert('L'),
            '00002': image.resize((33, 9)).convert('RGBA'),
            '00003': image.convert('P'),
            '00004': Image.fromarray(np.asarray(image)[..., 0].astype('uint16') * 256),
        }
        for name, kind in kinds.items():
            kind.save(images / f'{name}.png')
        out = run()
        for name, kind in kinds.items():
            with Image.open(out / 'images' / f'{name}.png') as copy:
                assert (copy.size, copy.mode, copy.format) == (kind.size, 'RGB', 'PNG')
        read = read_image(images / '00004.png')
        assert (read[..., 2] == np.asarray(image)[..., 0]).all()

    def test_jpeg(self, run, config, pair):
        images = pair / 'gta5' / 'images'
        for path in sorted(images.iterdir()):
            with Image.open(path) as image:
                image.save(path.with_suffix('.jpg'))
        cfg = Config.fromfile(config)
        # A camera held upright: rows of the file are columns of the scene.
        exif = Image.Exif()
        exif[0x0112] = 6
        with Image.open(images / '00001.jpg') as image:
            image.load()
        image.save(images / '00001.jpg', exif=exif)
        cfg.train_dataloader.dataset.source.img_suffix = '.jpg'
        out = run(cfg=cfg)
        with Image.open(out / 'images' / '00001.jpg') as copy:
            assert copy.format == 'JPEG'
            assert all(row[1:3] == (1, 1) for row in copy.layer)  # chroma in full
            assert sum(copy.quantization[0]) < 500  # quality 95
        loaded = [
            LoadImage()(dict(img_path=str(folder / '00001.jpg')))['img'].shape
            for folder in (images, out / 'images')
        ]
        assert loaded == [(64, 32, 3), (64, 32, 3)]
        assert not list((out / 'images').glob('*.png'))

    def test_truncated_images(self, run, pair, tmp_path):
        whole = files(run('whole'))
        images = pair / 'gta5' / 'images'
        content = (images / '00002.png').read_bytes()
        cut(images / '00002.png')
        Image.new('RGB', (64, 8)).save(images / '00003.png')
        with pytest.raises(InputError) as raised:
            run()
        message = str(raised.value)
        assert f'{images / "00002.png"}: truncated' in message
        assert f'{images / "00003.png"}: image size 64x8: ' in message
        out = tmp_path / 'out'
        assert not (out / 'translation.json').exists()
        assert sorted(p.name for p in (out / 'images').iterdir()) == [
            '00001.png', '00004.png',
        ]  # fmt: skip
        # Repaired, it goes on with these alone.
        (images / '00002.png').write_bytes(content)
        shutil.copy(images / '00001.png', images / '00003.png')
        inode = (out / 'images' / '00001.png').stat().st_ino
        run()
        assert (out / 'images' / '00001.png').stat().st_ino == inode
        written = files(out)
        assert written.keys() == whole.keys()
        assert {n for n in whole if written[n] != whole[n]} == {'images/00003.png'}

    def test_truncated_style(self, run, pair, tmp_path):
        manifest = json.loads((run('whole') / 'translation.json').read_text())
        style = manifest['pictures']['images/00003.png']
        cut(Path(style))
        with pytest.raises(InputError, match='truncated') as raised:
            run()
        assert str(raised.value).count(style) == 1
        assert {p.stem for p in (tmp_path / 'out/images').iterdir()} == {
            '00001', '00002', '00004',
        }  # fmt: skip

    def test_a_full_disk_is_not_overlooked(self, run, tmp_path):
        with (
            mock.patch.object(Image.Image, 'save', side_effect=OSError(28, 'full')),
            pytest.raises(OSError, match='full'),
        ):
            run()
        assert (tmp_path / 'out' / 'translation.unfinished.json').exists()

    def test_styles_are_encoded_once(self, run, pair):
        for path in city(pair)[2:]:
            path.unlink()
        counted = mock.Mock(wraps=image_statistics)
        with mock.patch.object(translate, 'image_statistics', counted):
            run()
        assert counted.call_count == 2

    def test_bytes_do_not_depend_on_threads(self, run, pair):
        # Large enough for torch to share the work.
        for path in (pair / 'gta5' / 'images').iterdir():
            with Image.open(path) as image:
                image.resize((517, 259)).save(path)
        before = torch.get_num_threads()
        written = []
        try:
            for threads in (1, 2):
                torch.set_num_threads(threads)
                written.append(files(run(f'threads{threads}')))
        finally:
            torch.set_num_threads(before)
        assert written[0] == written[1]


class TestAssignment:
    def test_equal_shares(self):
        images = [f'{n:03}' for n in range(303)]
        styles = [f's{n}' for n in range(100)]
        assigned = assign_styles(images, styles, seed=0)
        counts = Counter(assigned.values())
        assert len(counts) == 31
        assert set(counts.values()) == {9, 10}
        assert list(assigned) == images

    @pytest.mark.parametrize(('available', 'used'), [(100, 16), (5, 5)])
    def test_few_images(self, available, used):
        images = [str(n) for n in range(40)]
        styles = [f's{n}' for n in range(available)]
        assert len(set(assign_styles(images, styles, 0).values())) == used

    def test_depends_on_the_seed_alone(self):
        images = [str(n) for n in range(40)]
        styles = [f's{n}' for n in range(50)]
        first = assign_styles(images, styles, 1)
        assert first == assign_styles(images[::-1], styles[::-1], 1)
        assert first != assign_styles(images, styles, 2)


class TestOut:
    def test_finished_one_is_left_alone(self, run, capsys):
        out = run()
        before = {p: p.stat().st_mtime_ns for p in out.rglob('*')}
        with mock.patch.object(translate, 'translate_image') as translated:
            run()
        assert not translated.called
        assert {p: p.stat().st_mtime_ns for p in out.rglob('*')} == before
        assert 'complete, nothing to do' in capsys.readouterr().out

    def test_lost_image_is_written_again(self, run):
        before = files(run())
        (run() / 'images' / '00002.png').unlink()
        assert files(run()) == before

    def test_lost_image_that_cannot_be_written_again(self, run, pair):
        (run() / 'images' / '00002.png').unlink()
        cut(pair / 'gta5' / 'images' / '00002.png')
        with pytest.raises(InputError, match=r'00002\.png: truncated'):
            run()
        assert not list(pair.parent.glob('out/translation.json'))

    @pytest.mark.parametrize(
        ('options', 'field'),
        [
            (dict(alpha=0.5), 'alpha'),
            (dict(seed=1), 'seed'),
            (dict(direction='target_to_source'), 'direction'),
        ],
    )
    @pytest.mark.parametrize(
        'name', ['translation.json', 'translation.unfinished.json']
    )
    def test_other_translation(self, run, options, field, name):
        out = run()
        (out / 'translation.json').rename(out / name)
        before = files(out)
        with pytest.raises(InputError, match=rf'{name}: .* \({field} differs\)'):
            run(**options)
        assert files(out) == before

    def test_other_data_or_weights(self, run, config, pair, tmp_path, checkpoint):
        run()
        cfg = Config.fromfile(config)
        shutil.copytree(pair / 'gta5', tmp_path / 'other')
        cfg.train_dataloader.dataset.source.data_root = str(tmp_path / 'other')
        with pytest.raises(InputError, match='folders differs'):
            run(cfg=cfg)
        (pair / 'gta5' / 'images' / '00004.png').unlink()
        with pytest.raises(InputError, match='pictures differs'):
            run()
        with (
            mock.patch.object(Path, 'read_bytes', return_value=b'other weights'),
            pytest.raises(InputError, match='checkpoint_sha256 differs'),
        ):
            run()

    def test_other_files(self, run, tmp_path):
        (tmp_path / 'out').mkdir()
        (tmp_path / 'out' / 'notes.txt').write_text('mine')
        with pytest.raises(
            InputError, match=r'notes\.txt: does not belong to a translation'
        ):
            run()
        assert files(tmp_path / 'out') == {'notes.txt': b'mine'}

    def test_broken_manifest(self, run):
        out = run()
        cut(out / 'translation.json')
        with pytest.raises(InputError, match=r'translation\.json: not a manifest'):
            run()

    def test_a_file(self, run, tmp_path):
        (tmp_path / 'out').write_text('a file')
        with pytest.raises(InputError, match='out: cannot make this folder'):
            run()

    @pytest.mark.parametrize(
        'out', ['gta5/images/out', 'cityscapes/leftImg8bit/train/out', 'gta5/images']
    )
    def test_among_the_images(self, run, pair, out):
        before = files(pair)
        with pytest.raises(InputError, match='which is read'):
            run(f'pair/{out}')
        assert files(pair) == before
        assert not (pair / 'gta5/images/out').exists()


class TestData:
    @pytest.fixture
    def cfg(self, config):
        return Config.fromfile(config)

    def test_empty_folder(self, run, cfg, pair):
        for path in (pair / 'gta5' / 'images').iterdir():
            path.unlink()
        with pytest.raises(InputError, match=r'images: no \*\.png in it'):
            run(cfg=cfg)

    def test_missing_style_folder(self, run, cfg, tmp_path):
        cfg.train_dataloader.dataset.target.data_prefix.img_path = 'none'
        with pytest.raises(InputError, match='none: no such folder'):
            run(cfg=cfg)
        assert not (tmp_path / 'out').exists()

    def test_several_data_sets(self, run, cfg):
        dataset = cfg.train_dataloader.dataset
        dataset.source = [dataset.source]
        run(cfg=cfg)
        dataset.source = [dataset.source[0]] * 2
        with pytest.raises(InputError, match=r'dataset\.source lists 2 data sets'):
            run(cfg=cfg)

    def test_no_domains(self, run, config):
        cfg = Config(dict(model=MODEL), filename=str(config))
        with pytest.raises(InputError, match=r'sets no train_dataloader\.dataset\.sou'):
            run(cfg=cfg)

    def test_format_that_cannot_be_written(self, run, cfg, pair):
        for path in (pair / 'gta5' / 'images').iterdir():
            path.rename(path.with_suffix('.ppm'))
        cfg.train_dataloader.dataset.source.img_suffix = '.ppm'
        with pytest.raises(InputError, match=r'\.ppm: unsupported output format'):
            run(cfg=cfg)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(alpha=1.5), '--alpha: must be in 0-1'),
        (dict(alpha=float('nan')), '--alpha: must be in 0-1'),
        (dict(seed=-1), '--seed: must be at least 0'),
    ],
)
def test_options(options, message):
    with pytest.raises(InputError, match=message):
        Options(**options)
