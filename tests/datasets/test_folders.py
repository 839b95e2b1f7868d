import copy
import re
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from mmengine.config import Config
from mmseg.registry import DATASETS
from raw_files import CLASSES, PACK, write_image, write_label

from cfcontra_mm.datasets import apply_folders, read_classes
from cfcontra_mm.datasets.check_data import check_data
from cfcontra_mm.errors import InputError

CONFIGS = Path(__file__).parents[2] / 'configs'


def refusal(path):
    """The line that a class file gets."""
    with pytest.raises(InputError) as caught:
        read_classes(str(path))
    line = str(caught.value)
    assert line.startswith(str(path))
    assert '\n' not in line
    return line


def folder_cfg(root):
    table = str(root / 'classes.yaml')
    pipeline = [
        dict(type='LoadImage'),
        dict(type='LoadLabels'),
        dict(type='MapLabels', table=table),
        *PACK,
    ]
    prefix = dict(img_path='images', seg_map_path='labels')
    return dict(
        type='FolderDataset',
        classes=table,
        data_root=str(root / 'source'),
        data_prefix=prefix,
        pipeline=pipeline,
    )


class TestClasses:
    def test_reads_names_colors_and_table(self, root):
        classes = read_classes(str(root / 'classes.yaml'))
        assert classes.names == ('road', 'car', 'ufo')
        assert classes.palette == [[128, 64, 128], [0, 0, 142], [1, 2, 3]]
        expected = np.full(256, 254)
        expected[[0, 7, 3, 9, 4, 255]] = [0, 0, 1, 2, 255, 255]
        np.testing.assert_array_equal(classes.table, expected)
        assert classes.table.dtype == np.uint8

    def test_shipped_example(self):
        classes = read_classes(str(CONFIGS / '_base_/classes/camvid11.yaml'))
        assert len(classes.names) == len(classes.palette) == 11
        assert classes.table[:12].tolist() == [*range(11), 254]
        assert classes.table[255] == 255

    @pytest.mark.parametrize(
        ('old', 'new', 'message'),
        [
            ('classes:', 'klasses:', "unknown key 'klasses'"),
            ('classes:', 'classes: [', 'not a YAML file'),
            (CLASSES, 'classes: []', 'classes: must list 2 to 254'),
            (CLASSES, '- road', 'must be a mapping with a list of classes'),
            (', values: [3]', '', r'classes\[1\]: must have the keys'),
            ('values: [3]', 'values: 3', r'classes\[1\]\.values: must be a list'),
            ('values: [3]', 'values: []', r'classes\[1\]\.values: must list at least'),
            ('values: [3]', 'values: [300]', r'values: must be .* 0-255'),
            ('values: [3]', 'values: [true]', r'values: must be .* integers'),
            ('values: [3]', 'values: [7]', r'classes\[1\]: duplicate label value 7'),
            ('values: [3]', 'values: [3, 3]', 'duplicate label value 3'),
            ('[255, 4]', '[255, 9]', 'ignore: duplicate label value 9'),
            ('name: car', 'name: road', "duplicate class name 'road'"),
            ('name: car', 'name: 5', r'classes\[1\]\.name: must be a string'),
            ('[0, 0, 142]', '[0, 142]', r'color: must be \[red, green, blue\]'),
        ],
    )
    def test_wrong_files(self, tmp_path, old, new, message):
        assert old in CLASSES
        path = tmp_path / 'classes.yaml'
        path.write_text(CLASSES.replace(old, new))
        with pytest.raises(InputError, match=message) as error:
            read_classes(str(path))
        assert str(path) in str(error.value)
        assert '\n' not in str(error.value)

    def test_no_such_file(self, tmp_path):
        with pytest.raises(InputError, match=r'x\.yaml: no such class file'):
            read_classes(str(tmp_path / 'x.yaml'))
        (tmp_path / 'x.txt').write_text(CLASSES)
        with pytest.raises(InputError, match=r'must end in \.yaml'):
            read_classes(str(tmp_path / 'x.txt'))

    @pytest.mark.parametrize(
        'tag',
        [
            '!!python/object/apply:os.system ["touch {}"]',
            '!!python/object/apply:pathlib.Path.touch [!!python/object/apply:'
            'pathlib.Path ["{}"]]',
            '!!python/object/new:os.system ["touch {}"]',
            "!!python/object/apply:eval [\"open('{}', 'w')\"]",
        ],
    )
    @pytest.mark.parametrize('place', ['classes: {}', '{}', CLASSES + 'extra: {}'])
    def test_a_tag_runs_nothing(self, tmp_path, tag, place):
        path, made = tmp_path / 'classes.yaml', tmp_path / 'made'
        text = place.replace('{}', tag.format(made), 1) if place != CLASSES else place
        path.write_text(text)
        line = refusal(path)
        assert 'not a YAML file (line ' in line
        assert 'could not determine a constructor for the tag' in line
        assert not made.exists()

    def test_the_exploit_works_where_tags_are_heeded(self, tmp_path):
        made = tmp_path / 'made'
        yaml.unsafe_load(f'!!python/object/apply:os.system ["touch {made}"]')
        assert made.exists()

    def test_aliases_are_refused_before_they_are_followed(self, tmp_path):
        lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x]']
        for i in range(1, 30):
            lines.append(f'a{i}: &a{i} [{", ".join([f"*a{i - 1}"] * 9)}]')
        path = tmp_path / 'classes.yaml'
        path.write_text('\n'.join([*lines, 'classes: *a29', '']))
        start = time.process_time()
        assert 'line 2: alias *a0 is not supported; write its' in refusal(path)
        assert time.process_time() - start < 2

    @pytest.mark.parametrize(
        ('text', 'message'),
        [
            ('[' * 50_000, r'nested too deeply'),
            ('a' * 200_000, r'is larger than 100000 bytes; shorten it'),
            ('classes: ' + '9' * 50_000, r'not a YAML file \('),
            (CLASSES.replace('9', '0x' + 'f' * 50_000), r'not \[?a? ?huge number'),
            (
                CLASSES.replace('ufo', '1' + ':1' * 20_000),
                r'name: must be a string, not',
            ),
            ('classes: 2001-99-99', r'not a YAML file \(month must be'),
            (b'\xff\xfe\xff', r'not a YAML file \('),
            ('? [a, b]\n: c', r'not a YAML file \(line 1: found unhashable key'),
        ],
        ids=lambda value: str(value)[:12],
    )
    def test_what_would_fill_memory_or_screen_gets_one_short_line(
        self, tmp_path, text, message
    ):
        path = tmp_path / 'classes.yaml'
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        start = time.process_time()
        line = refusal(path)
        assert time.process_time() - start < 5
        assert re.search(message, line)
        assert len(line) < 300 + len(str(path))

    def test_a_folder_is_no_class_file(self, tmp_path):
        (tmp_path / 'classes.yaml').mkdir()
        assert 'no such class file' in refusal(tmp_path / 'classes.yaml')


class TestDataset:
    def test_matches_by_stem_through_subfolders(self, root):
        dataset = DATASETS.build(folder_cfg(root))
        assert dataset.metainfo['classes'] == ('road', 'car', 'ufo')
        infos = [dataset.get_data_info(i) for i in range(len(dataset))]
        assert [Path(i['img_path']).name for i in infos] == ['a.jpg', 'b.png']
        labels = dataset[1]['data_samples'].gt_sem_seg.data[0]
        assert labels[:, 0].tolist() == [1, 1, 1, 0, 0, 255]

    def test_unlabelled(self, root):
        cfg = folder_cfg(root)
        cfg['data_root'], cfg['data_prefix'] = str(root), dict(img_path='target')
        cfg['pipeline'] = [dict(type='LoadImage'), *PACK]
        assert DATASETS.build(cfg)[0]['inputs'].shape == (3, 4, 10)

    def test_image_without_label(self, root):
        (root / 'source/labels/day/b.png').unlink()
        with pytest.raises(InputError, match=r'day/b\.png: no such label \(1 of 2'):
            DATASETS.build(folder_cfg(root))

    def test_two_images_of_one_name(self, root):
        write_image(root / 'source/images/day/b.jpg')
        with pytest.raises(InputError, match=r'b\.png: duplicate name, as .*b\.jpg'):
            DATASETS.build(folder_cfg(root))

    def test_missing_and_empty_folder(self, root):
        cfg = folder_cfg(root)
        (root / 'source/nothing').mkdir()
        for name, message in (('none', 'no such folder'), ('nothing', r'no \*\.png')):
            cfg['data_prefix'] = dict(img_path=name)
            with pytest.raises(InputError, match=message):
                DATASETS.build(cfg)

    def test_value_that_no_class_has(self, root):
        write_label(root / 'source/labels/day/b.png', np.full((6, 8), 42))
        with pytest.raises(
            InputError, match=r'b\.png: label value 42 is not in .*yaml'
        ):
            DATASETS.build(folder_cfg(root))[1]

    def test_label_of_another_size(self, root):
        write_label(root / 'source/labels/day/b.png', np.zeros((6, 9)))
        with pytest.raises(
            InputError, match=r'b\.png: size mismatch: the label is 9x6, its image 8x6'
        ):
            DATASETS.build(folder_cfg(root))[1]


class TestConfig:
    def test_fills_the_config(self, cfg):
        apply_folders(cfg)
        assert cfg.model.decode_head.num_classes == 3
        assert cfg.model.neck[0].centers.num_classes == 3
        train = DATASETS.build(cfg.train_dataloader.dataset)
        assert {k: len(r) for k, r in train.domain_ranges.items()} == dict(
            source=2, target=1
        )
        for index in range(3):
            assert train[index]['inputs'].shape == (3, 16, 32)
        sample = DATASETS.build(cfg.val_dataloader.dataset)[0]
        assert sample['inputs'].shape == (3, 16, 32)
        assert sample['data_samples'].gt_sem_seg.data.shape == (1, 6, 8)
        scales = [r['scale'] for r in cfg.tta_pipeline[1].transforms[0]]
        assert scales == [(24, 12), (32, 16), (40, 20)]

    def test_fills_a_style_transfers_config(self, cfg):
        style = Config.fromfile(str(CONFIGS / 'adain/adain_vgg19_folders.py'))
        fields = {f'folders.{k}': v for k, v in cfg.folders.items() if 'val' not in k}
        style.merge_from_dict(fields)
        apply_folders(style)
        for loader in (style.train_dataloader, style.val_dataloader):
            pair = DATASETS.build(loader.dataset)
            assert {k: len(r) for k, r in pair.domain_ranges.items()} == dict(
                source=2, target=1
            )
            for index in range(3):
                sample = pair[index]
                assert sample['inputs'].shape == (3, 16, 32)
                assert 'gt_sem_seg' not in sample['data_samples']
        report = check_data(style).splitlines()
        assert [line.split(':')[0] for line in report] == [
            *('source', 'target', 'validation source', 'validation target')
        ]
        assert report[0].startswith('source: 2 images, 8x6 (')

    def test_twice_is_once(self, cfg):
        apply_folders(cfg)
        once = copy.deepcopy(cfg.to_dict())
        apply_folders(cfg)
        assert cfg.to_dict() == once

    @pytest.mark.parametrize('name', ['oracle', 'few'])
    def test_labels_of_the_target_are_read_by_its_labelled_images_alone(
        self, cfg, name, root
    ):
        plain = copy.deepcopy(cfg)
        plain.folders.target_labels = str(root / 'target/labels')
        apply_folders(plain)
        loaders = (plain.train_dataloader, plain.val_dataloader, plain.test_dataloader)
        assert 'target/labels' not in str(loaders)
        data = cfg.train_dataloader.dataset
        first = data.source
        data.source = cfg.labelled_target
        if name == 'few':
            data.source = [first, dict(cfg.labelled_target, every=4)]
        unset = copy.deepcopy(cfg)
        with pytest.raises(InputError, match=r'folders\.target_labels: is not set'):
            apply_folders(unset)
        cfg.folders.target_labels = str(root / 'target/labels')
        apply_folders(cfg)
        once = copy.deepcopy(cfg.to_dict())
        apply_folders(cfg)
        assert cfg.to_dict() == once
        sources = data.source if name == 'few' else [first, data.source]
        prefixes = [source.data_prefix for source in sources]
        if name == 'few':
            assert prefixes[0].seg_map_path == cfg.folders.source_labels
        assert prefixes[1] == dict(
            img_path=cfg.folders.target_images, seg_map_path=cfg.folders.target_labels
        )
        assert 'seg_map_path' not in data.target.data_prefix

    def test_without_validation(self, cfg):
        cfg.folders.val_images = cfg.folders.val_labels = ''
        apply_folders(cfg)
        for part in ('dataloader', 'cfg', 'evaluator'):
            assert cfg[f'val_{part}'] is cfg[f'test_{part}'] is None
        assert 'validation: ' not in check_data(cfg)
        cfg.folders.val_images = 'x'
        with pytest.raises(InputError, match='saved by a run without validation'):
            apply_folders(cfg)

    @pytest.mark.parametrize(
        'field',
        [
            *('classes', 'source_images', 'source_labels', 'target_images'),
            *('val_images', 'val_labels'),
        ],
    )
    def test_missing_fields_are_named(self, cfg, field):
        cfg.folders[field] = ''
        with pytest.raises(InputError, match=rf'folders\.{field}: is not set'):
            apply_folders(cfg)

    @pytest.mark.parametrize('size', [[32], [0, 3], 'big', [1.5, 2], None])
    def test_wrong_sizes(self, cfg, size):
        cfg.folders.size = size
        with pytest.raises(InputError, match=r'folders\.size: must be width,height'):
            apply_folders(cfg)

    def test_class_weights_must_fit(self, cfg):
        cfg.model.decode_head.loss_decode.class_weight = [1.0] * 19
        with pytest.raises(InputError, match='19 weights for the 3 classes'):
            apply_folders(cfg)

    def test_other_configs_are_left_alone(self):
        cfg = Config(dict(model=dict(num_classes=19)))
        apply_folders(cfg)
        assert cfg.to_dict() == dict(model=dict(num_classes=19))
