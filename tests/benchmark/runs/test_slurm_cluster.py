"""A real Slurm of one node, but fake tools; skipped where it is not installed."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import slurm
from processes import listening, open_to_the_network, wait_until

from cfcontra_mm.benchmark import plan_runs
from cfcontra_mm.benchmark.runs.slurm_cluster import SlurmCluster

ROOT = Path(__file__).parents[3]
FAKE_TOOLS = Path(__file__).parents[1] / 'fake_tools'
OPTIONS = dict(gpus_per_node=0, cpus_per_task=1)
RANK = """
import sys, time
from pathlib import Path

import torch
from mmengine.config import Config

from cfcontra_mm.engine.processes import init_distributed

assert sys.argv[-2:] == ['--launcher', 'slurm']
init_distributed(Config(), 'slurm', None)
total = torch.ones(1)
torch.distributed.all_reduce(total)
out = Path(sys.argv[1])
(out / f'met.{torch.distributed.get_rank()}').write_text(str(int(total)))
while (out / 'wait').exists():
    time.sleep(0.1)
torch.distributed.destroy_process_group()
"""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not slurm.is_installed(), reason="needs Debian's slurmctld, slurmd and munge"
    ),
]


@pytest.fixture(scope='module')
def cluster():
    with slurm.running() as (environment, daemons):
        yield environment, daemons


@pytest.fixture
def environment(cluster, monkeypatch):
    """The environment of Slurm's commands, which this process has too."""
    found = cluster[0] | {'PATH': f'{Path(sys.executable).parent}:{cluster[0]["PATH"]}'}
    found['PYTHONPATH'] = os.pathsep.join(filter(None, sys.path))
    for name in ('PATH', 'SLURM_CONF', 'PYTHONPATH'):
        monkeypatch.setenv(name, found[name])
    return found


def jobs():
    asked = ['squeue', '--noheader', '--format=%A']
    listed = subprocess.run(asked, capture_output=True, text=True, check=True)
    return listed.stdout.split()


def rows(fake):
    lines = (fake.out / 'results.jsonl').read_text().splitlines()
    return {line['row']: line for line in map(json.loads, lines)}


def test_its_daemons_listen_on_the_loopback(cluster):
    pids = [daemon.pid for daemon in cluster[1]]
    assert len(listening(pids)) == 2
    assert open_to_the_network(pids) == set()


def test_the_command_runs_a_study_as_jobs(environment, fake, tmp_path):
    tools = tmp_path / 'tools'
    shutil.copytree(FAKE_TOOLS, tools)
    shutil.copy(ROOT / 'tools' / 'benchmark.py', tools)
    (tmp_path / 'study.py').write_text(
        "study = dict(name='small', seeds=[0], rows=[\n"
        "    dict(name='source', config='source.py'),\n"
        "    dict(name='method', config='method.py')])\n"
    )
    options = [f'{name}={value}' for name, value in OPTIONS.items()]
    command = [sys.executable, 'tools/benchmark.py', 'study.py']
    ended = subprocess.run(
        [*command, '--launcher', 'slurm', '--slurm', *options],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert 'method seed 0: mIoU 26.0' in ended.stdout
    scripts = tmp_path.glob('work_dirs/small/slurm/*_submission.sh')
    assert len(list(scripts)) == 2
    assert jobs() == []


def test_a_run_whose_job_is_cancelled_goes_on(environment, fake, capsys):
    fake.configure('method', seconds_per_iter=0.5)
    (run,) = (r for r in plan_runs(fake.study, (0,), fake.out) if r.row == 'method')
    command = (
        'while ! [ -e "$1" ]; do sleep 0.1; done; scancel $(squeue -h --format=%A)'
    )
    waiting = subprocess.Popen(
        ['bash', '-c', command, 'bash', str(run.work_dir / 'iter_10.pth')]
    )
    options = SlurmCluster(fake.out / 'slurm', OPTIONS)
    try:
        assert fake.run(only=['method'], cluster=options) == 1
    finally:
        waiting.kill()
        waiting.wait()
    assert 'without a result' in capsys.readouterr().out
    assert rows(fake)['method']['status'] == 'failed'
    assert not run.job_note.exists()
    wait_until(lambda: not jobs())
    assert fake.run(only=['method'], cluster=SlurmCluster(fake.out, OPTIONS)) == 0
    (log,) = fake.logs('method')
    assert log.count('from iter_10.pth') == 1


@pytest.fixture
def two_ranks(environment, tmp_path):
    """Start ``slurm_train.sh`` with two ranks, which wait for a file to vanish."""
    tools, out = tmp_path / 'tools', tmp_path / 'out'
    tools.mkdir()
    out.mkdir()
    for name in ('slurm_train.sh', 'launch.sh'):
        shutil.copy(ROOT / 'tools' / name, tools)
    (tools / 'train.py').write_text(RANK)
    (out / 'wait').touch()
    process = subprocess.Popen(
        [tools / 'slurm_train.sh', 'main', 'two', out],
        env=environment
        | dict(GPUS='2', CPUS_PER_TASK='1', SRUN_ARGS='--gres=none --overcommit'),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    yield process, out
    process.kill()
    process.wait()


def test_two_ranks_of_a_job_meet(two_ranks):
    process, out = two_ranks
    wait_until(lambda: len(list(out.glob('met.*'))) == 2)
    assert (out / 'met.1').read_text() == '2'
    (out / 'wait').unlink()
    assert process.wait(120) == 0, process.stdout.read()


def test_the_script_ends_its_job(two_ranks):
    process, out = two_ranks
    wait_until(lambda: len(list(out.glob('met.*'))) == 2)
    process.send_signal(signal.SIGTERM)
    process.wait(120)
    wait_until(lambda: not jobs())
