"""``tools/check_data.py``, and the same check before a training begins."""

import runpy
import sys
from pathlib import Path
from unittest import mock

import pytest
from helpers import write_streets
from mmengine.config import Config
from PIL import Image

from cfcontra_mm.engine import launch
from cfcontra_mm.errors import InputError

ROOT = Path(__file__).parents[2]
CLASSES = """
classes:
  - {name: road, color: [128, 64, 128], values: [0]}
  - {name: sky, color: [0, 0, 142], values: [1]}
"""


@pytest.fixture
def options(tmp_path):
    """Settings of three folders with six images each."""
    (tmp_path / 'classes.yaml').write_text(CLASSES)
    for number, name in enumerate(('source', 'target', 'val')):
        for path in sorted(write_streets(tmp_path / name).glob('images/*')):
            Image.new('RGB', (64, 32), (number, 0, 0)).save(path)
    return [
        f'folders.classes={tmp_path}/classes.yaml',
        'folders.size=64,32',
        f'folders.source_images={tmp_path}/source/images',
        f'folders.source_labels={tmp_path}/source/labels',
        f'folders.target_images={tmp_path}/target/images',
        f'folders.val_images={tmp_path}/val/images',
        f'folders.val_labels={tmp_path}/val/labels',
    ]


@pytest.fixture
def run(options, monkeypatch, capsys):
    """Run the tool; returns its exit status, what it printed, and its errors."""

    def call():
        config = str(ROOT / 'configs/minent/deeplabv2_r18_folders.py')
        argv = ['check_data.py', config, '--cfg-options', *options]
        monkeypatch.setattr(sys, 'argv', argv)
        status = 0
        try:
            runpy.run_path(str(ROOT / 'tools/check_data.py'), run_name='__main__')
        except SystemExit as ended:
            status = ended.code
        return status, *capsys.readouterr()

    return call


def test_right_data_are_described(run, tmp_path):
    status, printed, errors = run()
    assert (status, errors) == (0, '')
    assert f'source: 6 images, 64x32 ({tmp_path}/source/images)' in printed
    assert '| sky   | 1 ' in printed


def test_wrong_data_get_one_line(run, tmp_path):
    path = tmp_path / 'val/labels/street_3.png'
    path.write_bytes(path.read_bytes()[:60])
    status, printed, errors = run()
    assert (status, printed) == (2, '')
    assert (
        errors.strip() == f'error: {path}: truncated or not an image; restore the file'
    )


@pytest.mark.parametrize('damaged', [False, True])
def test_a_training_begins_with_the_check(tmp_path, options, monkeypatch, damaged):
    path = tmp_path / 'val/labels/street_3.png'
    if damaged:
        Image.open(path).convert('RGB').save(path)
    start = mock.Mock(side_effect=NotImplementedError('the Runner'))
    monkeypatch.setattr(launch.Runner, 'from_cfg', start)
    cfg = Config.fromfile(ROOT / 'configs/minent/deeplabv2_r18_folders.py')
    pairs = dict(option.split('=') for option in options)
    cfg.merge_from_dict(pairs | {'folders.size': (64, 32)})
    launch.apply_folders(cfg)
    cfg.work_dir = str(tmp_path / 'work')
    error, message = NotImplementedError, 'the Runner'
    if damaged:
        error, message = InputError, r'street_3\.png: not an 8-bit'
    with pytest.raises(error, match=message):
        launch.train(cfg, resume=None, amp=False, seed=None)
    assert start.called is not damaged
    assert (tmp_path / 'work').exists() is not damaged
