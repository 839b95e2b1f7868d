"""The command line, as a user calls it."""

import os
import runpy
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from processes import descendants, is_alive, wait_until

ROOT = Path(__file__).parents[2]
TOOL = ROOT / 'tools' / 'benchmark.py'
DEMO = ROOT / 'tools' / 'demo.py'
FAKE_TOOLS = Path(__file__).parent / 'fake_tools'


def refused(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, 'argv', [TOOL.name, *arguments])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(TOOL), run_name='__main__')
    assert ended.value.code == 2
    return capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize('launcher', ['local', 'ray'])
def test_slurms_parameters_need_its_launcher(monkeypatch, capsys, launcher):
    arguments = ('nowhere.py', '--slurm', 'mem_gb=4', '--launcher')
    line = refused(monkeypatch, capsys, *arguments, launcher)
    assert '--slurm: needs --launcher slurm' in line
    assert 'nowhere.py: no such' in refused(monkeypatch, capsys, *arguments, 'slurm')


def test_training_again_is_no_making_of_tables(monkeypatch, capsys):
    arguments = ('nowhere.py', '--tables-only', '--rerun', 'MinEnt')
    assert '--rerun: cannot be combined' in refused(monkeypatch, capsys, *arguments)


def test_the_demo_hands_its_options_on(monkeypatch):
    calls = []
    monkeypatch.setattr(os, 'execv', lambda path, command: calls.append(command))
    options = ['--rerun', 'MinEnt', 'CFContra', '--seeds', '0']
    monkeypatch.setattr(sys, 'argv', ['demo.py', *options, '--all'])
    runpy.run_path(str(DEMO), run_name='__main__')
    (command,) = calls
    study = 'configs/studies/toystreets.py'
    assert command == [sys.executable, str(TOOL), study, *options]


def call(folder, *arguments):
    """Exit status and output of a command in a folder."""
    ended = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return ended.returncode, ended.stdout


@pytest.fixture
def command(fake, tmp_path):
    """Calls the tool on a study of two rows, with fake tools beside it."""
    tools = tmp_path / 'tools'
    shutil.copytree(FAKE_TOOLS, tools)
    shutil.copy(TOOL, tools)
    (tmp_path / 'study.py').write_text(
        "study = dict(name='small', seeds=[0, 1, 2], reference='source', rows=[\n"
        "    dict(name='source', config='source.py'),\n"
        "    dict(name='method', config='method.py')])\n"
    )
    tool = tools / 'benchmark.py'
    return lambda *arguments: call(tmp_path, tool, 'study.py', *arguments)


@pytest.mark.slow
def test_one_command_makes_tables_and_report(command, tmp_path):
    status, printed = command()
    assert status == 0, printed
    out = tmp_path / 'work_dirs' / 'small'
    report = (out / 'report.html').read_text()
    assert '+6.0*' in report
    assert report.count('[+6.0, +6.0]') == 4  # over images and seeds, two tables
    assert f'Written: {out.relative_to(tmp_path)}/report.html' in printed
    table = (out / 'table.csv').read_text()
    (out / 'table.csv').unlink()
    (out / 'report.html').unlink()
    shutil.rmtree(tmp_path / 'tools' / 'analysis_tools')
    assert command('--tables-only')[0] == 0
    assert (out / 'table.csv').read_text() == table
    assert (out / 'report.html').read_text() == report
    status, printed = command('--tables-only', '--seeds', '0', '0')
    assert status == 0, printed
    assert 'mIoU seed 1' not in (out / 'table.csv').read_text()


@pytest.mark.slow
def test_a_failed_run_is_in_the_report_and_in_the_exit_status(command, fake, tmp_path):
    fake.configure('method', fails_at=5)
    status, printed = command('--seeds', '0')
    assert status == 1
    assert 'RuntimeError: loss is NaN' in printed
    report = (tmp_path / 'work_dirs' / 'small' / 'report.html').read_text()
    assert 'training ended with exit status 1: RuntimeError: loss is NaN' in report


@pytest.mark.slow
def test_rows_are_trained_again(command, fake):
    assert command('--seeds', '0')[0] == 0
    status, printed = command('--rerun', 'method', '--seeds', '0', '--dry-run')
    assert (status, printed.count(' new '), printed.count(' finished ')) == (0, 1, 1)
    status, printed = command('--rerun', 'method', '--seeds', '0')
    assert status == 0
    assert 'method seed 0 is trained again; its old folder is now work_dirs/' in printed
    status, printed = command('--rerun', 'methods')
    assert (status, printed.splitlines()[-1]) == (
        2,
        'error: --rerun methods: no such row; choose from source, method',
    )


@pytest.mark.slow
def test_the_demo_is_a_study(shipped):
    for options, last in (((), 'oracle seed 0'), (('--all',), 'oracle seed 2')):
        status, printed = call(shipped, DEMO, *options, '--dry-run')
        assert status == 0
        assert last in printed
        assert 'style transfer' in printed
    assert [path.name for path in shipped.iterdir()] == ['configs']


# A training with a data worker that takes its time.
BUSY = """
import os, sys, time
from pathlib import Path

from torch.utils.data import DataLoader


class Endless:
    def __len__(self):
        return 10 ** 6

    def __getitem__(self, index):
        time.sleep(0.1)
        return index


work_dir = Path(sys.argv[sys.argv.index('--work-dir') + 1])
for _ in DataLoader(Endless(), num_workers=1):
    (work_dir / 'busy').touch()
"""


@pytest.mark.slow
@pytest.mark.parametrize('name', ['SIGKILL', 'SIGTERM', 'SIGHUP', 'SIGINT'])
def test_runs_and_their_data_workers_end_with_the_study(command, tmp_path, name):
    (tmp_path / 'tools' / 'train.py').write_text(BUSY)
    arguments = ['tools/benchmark.py', 'study.py', '--only', 'source', '--seeds', '0']
    study = subprocess.Popen(
        ['env', '--default-signal=INT,HUP', sys.executable, *arguments],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        wait_until(lambda: list(tmp_path.glob('work_dirs/runs/*/busy')))
        left = descendants(study.pid) - {study.pid}
        assert len(left) == 2
        study.send_signal(signal.Signals[name])
        printed, _ = study.communicate(timeout=90)
        wait_until(lambda: not any(map(is_alive, left)))
    finally:
        study.kill()
    if name == 'SIGKILL':
        assert study.returncode == -signal.SIGKILL
    else:
        assert study.returncode == 128 + signal.Signals[name]
        assert 'Stopped. The same command continues' in printed
