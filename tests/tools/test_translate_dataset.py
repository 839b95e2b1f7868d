"""The command as a user runs it."""

import json
import os
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image
from test_tools import ROOT, start, succeeded
from translators import MODEL, write_checkpoint, write_config

TOOL = ROOT / 'tools' / 'translate_dataset.py'
NUMBER = 80
"""Images, enough for the run to last."""


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('translate')


@pytest.fixture(scope='module')
def checkpoint(folder):
    return write_checkpoint(folder / 'iter_1.pth')


@pytest.fixture(scope='module')
def config(folder, toystreets):
    return write_config(folder / 'config.py', toystreets)


@pytest.fixture(scope='module')
def many(folder, toystreets):
    """The option for a source of many images."""
    images = folder / 'many' / 'images'
    images.mkdir(parents=True)
    (folder / 'many' / 'labels').mkdir()
    with Image.open(toystreets / 'gta5' / 'images' / '00001.png') as image:
        large = image.resize((200, 100))
    for n in range(NUMBER):
        large.rotate(n).save(images / f'{n:05}.png')
    source = 'train_dataloader.dataset.source.data_root'
    return ['--cfg-options', f'{source}={folder / "many"}']


@pytest.fixture
def run(config, checkpoint, monkeypatch, capsys):
    """Runs the command in this process; returns its exit status and error line."""

    def run(out, *arguments, config=config, checkpoint=checkpoint):
        argv = [TOOL, config, checkpoint, '--out', out, *arguments]
        monkeypatch.setattr(sys, 'argv', list(map(str, argv)))
        try:
            runpy.run_path(str(TOOL), run_name='__main__')
        except SystemExit as ended:
            errors = capsys.readouterr().err.strip().splitlines()
            return ended.code, errors[-1]
        return 0, ''

    return run


def files(folder):
    paths = [path for path in folder.rglob('*') if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.mark.slow
def test_two_processes_write_what_one_does(run, config, checkpoint, many, tmp_path):
    assert run(tmp_path / 'one', *many) == (0, '')
    done = start(
        'env', f'PORT={21000 + os.getpid() % 10000}',
        ROOT / 'tools' / 'dist_translate.sh', config, checkpoint, 2,
        '--out', tmp_path / 'two', *many,
    )  # fmt: skip
    succeeded(done)
    assert done.stdout.count(f'{NUMBER} images translated') == 1
    # Three of the five styles are the first process's.
    assert f' {3 * NUMBER // 5}/{3 * NUMBER // 5},' in done.stdout
    assert len(list((tmp_path / 'two' / 'images').iterdir())) == NUMBER
    assert files(tmp_path / 'two') == files(tmp_path / 'one')


@pytest.mark.slow
def test_two_processes_name_what_is_truncated(config, checkpoint, many, tmp_path):
    images = Path(many[1].split('=')[1], 'images')
    broken = sorted(images.iterdir())[:8]  # of both processes
    whole = [path.read_bytes() for path in broken]
    try:
        for path, content in zip(broken, whole, strict=True):
            path.write_bytes(content[:900])
        done = start(
            'env', f'PORT={22000 + os.getpid() % 10000}',
            ROOT / 'tools' / 'dist_translate.sh', config, checkpoint, 2,
            '--out', tmp_path / 'out', *many,
        )  # fmt: skip
    finally:
        for path, content in zip(broken, whole, strict=True):
            path.write_bytes(content)
    assert done.returncode != 0
    (line,) = {line for line in done.stderr.splitlines() if line.startswith('error:')}
    assert all(f'{path}: truncated' in line for path in broken)
    assert len(list((tmp_path / 'out' / 'images').iterdir())) == NUMBER - 8
    assert not (tmp_path / 'out' / 'translation.json').exists()


@pytest.mark.slow
def test_killed_and_started_again(run, config, checkpoint, many, tmp_path):
    out = tmp_path / 'out'
    environment = dict(os.environ, OMP_NUM_THREADS='1', PYTHONPATH=str(ROOT))
    command = [sys.executable, TOOL, config, checkpoint, '--out', out, *many]
    process = subprocess.Popen(
        list(map(str, command)), env=environment, stdout=subprocess.DEVNULL
    )
    while process.poll() is None and len(list(out.glob('images/0*.png'))) < 5:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = {path: path.stat() for path in out.glob('images/0*.png')}
    assert 5 <= len(kept) < NUMBER
    for path in kept:
        with Image.open(path) as image:
            image.load()
    assert not (out / 'translation.json').exists()
    json.loads((out / 'translation.unfinished.json').read_text())

    assert run(out, *many) == (0, '')
    for path, before in kept.items():
        now = path.stat()
        assert (now.st_ino, now.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert {path.name for path in out.iterdir()} == {
        'images', 'labels', 'translation.json',
    }  # fmt: skip
    assert run(tmp_path / 'whole', *many) == (0, '')
    assert files(out) == files(tmp_path / 'whole')


def test_options_reach_the_manifest(run, tmp_path):
    options = ('--direction', 'target_to_source', '--alpha', '0.3', '--seed', '4')
    done = run(tmp_path, *options)
    assert done == (0, '')
    manifest = json.loads((tmp_path / 'translation.json').read_text())
    wanted = dict(direction='target_to_source', alpha=0.3, seed=4)
    assert {key: manifest[key] for key in wanted} == wanted
    assert run(tmp_path, '--alpha', '0.3') == (
        2,
        f'error: {tmp_path / "translation.json"}: belongs to another '
        'translation (direction differs); choose another --out or delete the folder',
    )


def test_defaults(run, tmp_path, capsys):
    out = tmp_path / 'out'
    assert run(out) == (0, '')
    assert f'{out}: 4 images translated\n' in capsys.readouterr().out
    assert run(out) == (0, '')
    assert capsys.readouterr().out == f'{out}: complete, nothing to do\n'


class TestBadInput:
    @pytest.fixture
    def refused(self, run, tmp_path):
        """Runs the command, which must end with this line and write nothing."""

        def refused(said, *arguments, **kwargs):
            status, line = run(tmp_path / 'out', *arguments, **kwargs)
            assert status == 2
            assert line.startswith('error: ')
            assert said in line
            assert not (tmp_path / 'out').exists()

        return refused

    def test_arguments(self, refused):
        refused('--alpha: must be in 0-1, not 2.0', '--alpha', '2')

    def test_config(self, refused, folder, toystreets):
        refused('none.py: no such config', config='none.py')
        other = ROOT / 'configs' / 'source_only' / 'deeplabv2_r18_toystreets.py'
        refused('is not AdaINStyleTransfer', config=other)

    def test_checkpoint(self, refused, config, tmp_path):
        wider = dict(MODEL, encoder=dict(MODEL['encoder'], channels=(4, 8, 8, 12)))
        other = write_checkpoint(tmp_path / 'wider.pth', wider)
        refused(f'{other}: does not match the model of {config}', checkpoint=other)

    def test_folders(self, refused, tmp_path):
        root = 'train_dataloader.dataset.{}.data_root={}'
        for domain in ('source', 'target'):
            option = root.format(domain, tmp_path / 'none')
            refused('none/', '--cfg-options', option)


def test_script_without_arguments():
    done = start(ROOT / 'tools' / 'dist_translate.sh')
    assert done.returncode == 2
    assert done.stderr.startswith('usage: ')
