"""The worked examples of CONTRIBUTING.md, followed to the letter."""

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
FILES = [
    'cfcontra_mm/methods/max_square.py',
    'configs/max_square/deeplabv2_r18_toystreets.py',
    'cfcontra_mm/methods/noisy_student.py',
    'configs/noisy_student/deeplabv2_r18_toystreets.py',
]
METHODS = {'max_square': 'MaxSquare', 'noisy_student': 'NoisyStudent'}


@pytest.fixture(scope='module')
def copy(tmp_path_factory):
    """A copy of the repository to which the examples have been added."""
    root = tmp_path_factory.mktemp('contributed')
    for name in ('cfcontra_mm', 'configs', 'tools', 'tests'):
        shutil.copytree(
            ROOT / name, root / name, ignore=shutil.ignore_patterns('__pycache__')
        )
    for name in ('pyproject.toml', 'setup.py', 'model-index.yml'):
        shutil.copy(ROOT / name, root)
    for path, block in zip(FILES, BLOCKS, strict=True):
        assert f'`{path}`' in TEXT
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_text(block)
    with (root / 'cfcontra_mm/methods/__init__.py').open('a') as file:
        for module, method in METHODS.items():
            file.write(f'from .{module} import {method}\n')
    return root


def run(root, *command):
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=root,
        env=os.environ | dict(PYTHONPATH=str(root), OMP_NUM_THREADS='1'),
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    return done.stdout


def passed(out):
    return int(re.search(r'(\d+) passed', out)[1])


def test_the_examples_are_small():
    lengths = [len(block.splitlines()) for block in BLOCKS]
    assert lengths[0] <= 40
    assert lengths[2] <= 55
    assert lengths[1] == lengths[3] == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ('config', 'logged'),
    [
        (FILES[1], 'target.decode.loss_square: -0.0'),
        (FILES[3], 'noisy.decode.loss_ce: '),
    ],
)
def test_the_examples_train(copy, toystreets, config, logged):
    city, out = toystreets / 'cityscapes', copy / Path(config).parent.name
    printed = run(
        copy, 'tools/train.py', config, '--work-dir', out, '--cfg-options',
        f'train_dataloader.dataset.source.data_root={toystreets / "gta5"}',
        f'train_dataloader.dataset.target.data_root={city}',
        f'val_dataloader.dataset.data_root={city}',
        'train_cfg.max_iters=2', 'train_cfg.val_interval=2',
        'default_hooks.checkpoint.interval=2', 'default_hooks.logger.interval=1',
    )  # fmt: skip
    assert logged in printed
    assert (out / 'iter_2.pth').is_file()


@pytest.mark.slow
def test_the_examples_keep_the_contract(copy):
    names = ' or '.join(METHODS.values())
    out = run(copy, '-m', 'pytest', '-q', 'cfcontra_mm/contract', '-k', names)
    assert passed(out) >= 2 * 2 * 18


@pytest.mark.slow
def test_the_tests_of_all_methods_pass_with_the_examples(copy):
    tests = ('tests/test_configs.py', 'tests/test_package.py')
    assert passed(run(copy, '-m', 'pytest', '-q', *tests, '-m', 'not slow')) > 30


def test_the_examples_are_of_the_projects_style(copy):
    for command in (['check'], ['format', '--check']):
        run(copy, '-m', 'ruff', *command, *FILES)
