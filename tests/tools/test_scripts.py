"""The shell scripts: what they hand to the launcher and to srun."""

import os
import subprocess
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / 'tools'
# Prints its arguments, one a line.
ECHO = '#!/bin/sh\nfor word in "$@"; do echo "$word"; done\n'
OPTIONS = ['--cfg-options', 'a="x y"']


@pytest.fixture
def start(tmp_path):
    """Run a script with stand-ins for Python and srun that print their arguments."""
    for name in ('python', 'srun'):
        (tmp_path / name).write_text(ECHO)
        (tmp_path / name).chmod(0o755)

    def run(name, *arguments, **environment):
        path = f'{tmp_path}:{os.environ["PATH"]}'
        return subprocess.run(
            [TOOLS / name, *arguments],
            env=dict(PATH=path, PYTHON=str(tmp_path / 'python')) | environment,
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


def words(done):
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize('name', sorted(path.name for path in TOOLS.glob('*_*.sh')))
def test_without_arguments_the_usage_is_printed(start, name):
    done = start(name)
    assert done.returncode == 2
    assert done.stderr.startswith(f'usage: {TOOLS / name} ')
    usage = done.stderr.split(' ', 2)[2]
    required = usage.split(' [')[0].split()
    assert start(name, *required[:-1]).stderr == done.stderr
    # As in the comment at the head of the script, where it may be broken in two.
    comment = (TOOLS / name).read_text().split('set -e')[0].replace(' \\\n#    ', '')
    assert usage.strip() in comment


@pytest.mark.parametrize(
    ('name', 'script', 'given'),
    [
        ('dist_train.sh', 'train.py', ['a b.py']),
        ('dist_test.sh', 'test.py', ['a b.py', 'a.pth']),
        ('dist_translate.sh', 'translate_dataset.py', ['a b.py', 'a.pth']),
    ],
)
def test_several_processes(start, name, script, given):
    assert words(start(name, *given, '3', *OPTIONS)) == [
        str(TOOLS / 'launch.py'), '3',
        str(TOOLS / script), *given, '--launcher', 'pytorch', *OPTIONS,
    ]  # fmt: skip


@pytest.mark.parametrize('number', ['--resume', '0', 'two'])
def test_a_number_of_processes_that_is_none(start, number):
    done = start('dist_train.sh', 'a.py', number)
    assert done.returncode == 2
    assert done.stderr == (
        f"error: NUM_PROCESSES is '{number}'; give a number, 1 or more\n"
    )


@pytest.mark.parametrize(
    ('name', 'script', 'given'),
    [
        ('slurm_train.sh', 'train.py', ['a b.py']),
        ('slurm_test.sh', 'test.py', ['a b.py', 'a.pth']),
    ],
)
def test_srun(start, name, script, given):
    settings = dict(GPUS='16', CPUS_PER_TASK='9', SRUN_ARGS='-x bad')
    assert words(start(name, 'part', 'a job', *given, *OPTIONS, **settings)) == [
        '-p', 'part', '--job-name=a job', '--gres=gpu:8', '--ntasks=16',
        '--ntasks-per-node=8', '--cpus-per-task=9', '--kill-on-bad-exit=1', '-x', 'bad',
        'python', '-u', str(TOOLS / script), *given, '--launcher', 'slurm', *OPTIONS,
    ]  # fmt: skip


def test_srun_with_the_default_settings(start):
    assert {'--gres=gpu:4', '--ntasks=4', '--ntasks-per-node=4'} < set(
        words(start('slurm_train.sh', 'part', 'job', 'a.py'))
    )
