import argparse
from pathlib import Path

import pytest
from mmengine.config import Config
from mmseg.registry import MODELS
from torch.utils.data import DataLoader, Dataset

from cfcontra_mm.command_line import add_run_arguments, command_line
from cfcontra_mm.engine import launch
from cfcontra_mm.errors import InputError


def fails(main, capsys):
    with pytest.raises(SystemExit) as ended:
        command_line(main)()
    assert ended.value.code == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    return lines[0]


class Broken(Dataset):
    def __len__(self):
        return 2

    def __getitem__(self, index):
        raise InputError('a.png: truncated; restore the file')


def test_input_error_is_one_line(capsys):
    line = fails(lambda: Broken()[0], capsys)
    assert line == 'error: a.png: truncated; restore the file'


def test_input_error_of_a_data_worker_is_one_line(capsys):
    loader = DataLoader(Broken(), num_workers=1, multiprocessing_context='fork')
    line = fails(lambda: list(loader), capsys)
    assert line == 'error: a.png: truncated; restore the file'


@pytest.mark.parametrize(
    ('cfg', 'said'),
    [
        (dict(type='NoSuchModel'), 'NoSuchModel is not in the'),
        (dict(type='FCNHead', colour=1), "unexpected keyword argument 'colour'"),
        (dict(type='FCNHead'), 'missing'),
    ],
)
def test_config_errors_are_one_line(cfg, said, capsys):
    line = fails(lambda: MODELS.build(cfg), capsys)
    assert line.startswith('error: config: ')
    assert said in line


@pytest.mark.parametrize('error', [KeyError('x'), TypeError('missing 1 required')])
def test_other_errors_keep_their_traceback(error):
    def main():
        raise error

    with pytest.raises(type(error)):
        command_line(main)()


def test_success_returns(capsys):
    command_line(lambda: print('done'))()
    assert capsys.readouterr() == ('done\n', '')


def arguments(*given):
    parser = argparse.ArgumentParser()
    parser.add_argument('config')
    add_run_arguments(parser)
    return parser.parse_args([str(word) for word in given])


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.setattr(launch, 'use_safe_loading', lambda trust: None)
    monkeypatch.setenv('LOCAL_RANK', '0')
    path = tmp_path / 'somemethod' / 'somenet.py'
    path.parent.mkdir()
    path.write_text("model = dict(type='A', parts=[dict(x=1), dict(x=2)])\n")
    return path


def test_work_dir_tells_methods_apart(config):
    cfg = launch.setup_config(arguments(config), ['model'])
    assert Path(cfg.work_dir) == Path('work_dirs/somemethod/somenet')


def test_work_dir_of_the_user_wins(config):
    config.write_text("model = dict(type='A')\nwork_dir = 'theirs'\n")
    cfg = launch.setup_config(arguments(config), ['model'])
    assert cfg.work_dir == 'theirs'
    cfg = launch.setup_config(arguments(config, '--work-dir', 'mine'), ['model'])
    assert cfg.work_dir == 'mine'


def test_work_dir_tells_networks_and_pairs_apart(config):
    shipped = Path('configs/minent/deeplabv2_r18_toystreets.py')
    parts = ['--network', 'segformer_b0', '--pair', 'gta2city']
    cfg = launch.setup_config(arguments(shipped, *parts), ['model'])
    assert Path(cfg.work_dir) == Path('work_dirs/minent/segformer_b0_gta2city')
    assert cfg.model.backbone.type == 'MiT'
    with pytest.raises(InputError, match='has no base config _base_/NETWORK_PAIR'):
        launch.setup_config(arguments(config, *parts), ['model'])


def test_missing_key(config):
    with pytest.raises(InputError, match=r'somenet\.py: sets no train_cfg'):
        launch.setup_config(arguments(config), ['model', 'train_cfg'])


def test_options(config, capsys):
    options = ['model.type=B', 'model.parts.1.x=5', 'new.key=1']
    cfg = launch.load_config(
        config, arguments(config, '--cfg-options', *options).cfg_options
    )
    assert cfg.model.to_dict() == dict(type='B', parts=[dict(x=1), dict(x=5)])
    assert cfg.new.key == 1
    with pytest.raises(InputError, match='--cfg-options'):
        launch.load_config(config, {'model.parts.7.x': 1})
    with pytest.raises(SystemExit):
        arguments(config, '--cfg-options', 'model')
    assert "'model' is not KEY=VALUE" in capsys.readouterr().err


@pytest.mark.parametrize(
    ('text', 'said'),
    [
        (None, r'somenet\.py: no such config'),
        ('model = dict(', r'somenet\.py: not a config'),
        ("_base_ = './none.py'", r'none\.py: no such config'),
        ("custom_imports = dict(imports=['no_such_package'])", 'no_such_package'),
    ],
)
def test_broken_config(config, text, said):
    config.unlink() if text is None else config.write_text(text)
    with pytest.raises(InputError, match=said):
        launch.load_config(config, {})


def test_a_batch_must_hold_whole_shares_of_the_domains():
    cfg = Config.fromfile('configs/minent/deeplabv2_r18_toystreets.py')
    cfg.train_dataloader.batch_size = 3
    with pytest.raises(InputError, match=r'batch_size is 3.*adds up to 4'):
        launch.train(cfg, resume=None, amp=False, seed=None)


@pytest.mark.parametrize('place', ['leftImg8bit/val', 'gtFine/val', 'gtFine/val/a'])
def test_predictions_are_not_written_among_the_data(tmp_path, place):
    cfg = Config.fromfile('configs/minent/deeplabv2_r18_toystreets.py')
    cfg.test_dataloader.dataset.data_root = str(tmp_path)
    (tmp_path / 'a.pth').touch()
    with pytest.raises(InputError, match=r'folder of the test set .*; choose another'):
        launch.test(
            cfg, str(tmp_path / 'a.pth'), str(tmp_path / place), None, False, None
        )
