"""The worked example of CONTRIBUTING.md, followed to the letter."""

import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / 'CONTRIBUTING.md').read_text(encoding='utf-8')
BLOCKS = [
    textwrap.dedent(block)
    for block in re.findall(r' *```python\n(.*?) *```', TEXT, re.S)
]
METHOD = 'cfcontra_mm/methods/max_square.py'
CONFIG = 'configs/max_square/deeplabv2_r18_toystreets.py'


@pytest.fixture(scope='module')
def copy(tmp_path_factory):
    """A copy of the repository to which the example has been added."""
    root = tmp_path_factory.mktemp('contributed')
    for name in ('cfcontra_mm', 'configs', 'tools', 'tests'):
        shutil.copytree(
            ROOT / name, root / name, ignore=shutil.ignore_patterns('__pycache__')
        )
    shutil.copy(ROOT / 'pyproject.toml', root)
    for path, block in zip((METHOD, CONFIG), BLOCKS, strict=True):
        assert f'`{path}`' in TEXT
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_text(block)
    with (root / 'cfcontra_mm/methods/__init__.py').open('a') as file:
        file.write('from .max_square import MaxSquare\n')
    return root


def run(root, *command):
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=root,
        env=os.environ | dict(PYTHONPATH=str(root), OMP_NUM_THREADS='1'),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    return done.stdout


def test_the_example_is_small():
    method, config = BLOCKS
    assert len(method.splitlines()) <= 40
    assert len(config.splitlines()) == 2


@pytest.mark.slow
def test_the_example_trains(copy, toystreets):
    city = toystreets / 'cityscapes'
    out = run(
        copy, 'tools/train.py', CONFIG, '--work-dir', copy / 'out', '--cfg-options',
        f'train_dataloader.dataset.source.data_root={toystreets / "gta5"}',
        f'train_dataloader.dataset.target.data_root={city}',
        f'val_dataloader.dataset.data_root={city}',
        'train_cfg.max_iters=2', 'train_cfg.val_interval=2',
        'default_hooks.checkpoint.interval=2', 'default_hooks.logger.interval=1',
    )  # fmt: skip
    assert 'target.decode.loss_square: -0.0' in out
    assert (copy / 'out' / 'iter_2.pth').is_file()


@pytest.mark.slow
def test_the_contract_finds_the_example(copy):
    out = run(
        copy, '-m', 'pytest', '-q', 'tests/methods/test_contract.py', '-k', 'max_square'
    )
    passed = int(re.search(r'(\d+) passed', out)[1])
    assert passed >= 12


def test_the_example_is_of_the_projects_style(copy):
    for command in (['check'], ['format', '--check']):
        run(copy, '-m', 'ruff', *command, METHOD, CONFIG)
