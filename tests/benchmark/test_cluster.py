"""Real schedulers on one machine, but fake tools."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import ray
import submitit
from ray.cluster_utils import Cluster as RayTestCluster
from submitit.slurm.slurm import _make_sbatch_string

from cfcontra_mm.benchmark import cluster, plan_runs
from cfcontra_mm.benchmark.ray_cluster import RayCluster
from cfcontra_mm.benchmark.slurm_cluster import DEFAULTS, SlurmCluster
from cfcontra_mm.errors import InputError

FAKE_TOOLS = Path(__file__).parent / 'fake_tools'


@pytest.fixture(scope='module')
def ray_cluster():
    """Two nodes of one core each."""
    nodes = RayTestCluster()
    for _ in range(2):
        nodes.add_node(num_cpus=1)
    ray.init(address=nodes.address, log_to_driver=False, logging_level='ERROR')
    yield RayCluster()
    ray.shutdown()
    nodes.shutdown()


@pytest.fixture
def local_slurm(tmp_path):
    """Slurm's stand-in: submitit's own executor of local processes."""
    executor = submitit.LocalExecutor(tmp_path / 'jobs')
    executor.update_parameters = lambda **parameters: None
    return SlurmCluster(tmp_path / 'jobs', {}, executor)


def span(run):
    """First and last moment of a fake training."""
    (log,) = run.work_dir.glob('*/vis_data/scalars.json')
    return int(log.parts[-3]), log.stat().st_mtime_ns


def rows(fake):
    lines = (fake.out / 'results.jsonl').read_text().splitlines()
    return {line['row']: line for line in map(json.loads, lines)}


@pytest.mark.slow
def test_ray_runs_on_all_nodes_and_gives_what_local_runs_give(fake, ray_cluster):
    for name in ('source', 'method'):
        fake.configure(name, seconds_per_iter=0.2)
    assert ray_cluster.num_workers(8) == 2
    assert fake.run(cluster=ray_cluster) == 0
    source, method, _ = (span(run) for run in plan_runs(fake.study, (0,), fake.out))
    # With a core a node, two at once are on two nodes.
    assert max(source[0], method[0]) < min(source[1], method[1])
    found = rows(fake)
    (log,) = fake.logs('method')
    assert (log.count('train '), log.count('test ')) == (1, 1)
    fake.out = fake.root / 'elsewhere' / 'out'
    assert fake.run() == 0
    local = rows(fake)
    for name, line in local.items():
        assert line['metrics'] == found[name]['metrics']
        assert line['identity'] == found[name]['identity']


@pytest.mark.slow
def test_ray_restarts_a_crash_once_and_names_a_failure(fake, ray_cluster, capsys):
    fake.configure('source', crashes_at=15)
    fake.configure('method', fails_at=15)
    assert fake.run(cluster=ray_cluster) == 1
    printed = capsys.readouterr().out
    assert 'source seed 0: mIoU 20.0' in printed
    assert 'restarted once: training ended with exit status 1' in printed
    assert 'method seed 0 failed: training ended with exit status 1' in printed
    (log,) = fake.logs('method')
    assert log.count('train ') == 2
    assert rows(fake)['method']['status'] == 'failed'


def children(work_dir):
    """Processes that work in a folder."""
    listed = subprocess.run(
        ['pgrep', '-f', str(work_dir)], stdout=subprocess.PIPE, text=True
    )
    return [int(number) for number in listed.stdout.split()]


def wait_until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.parametrize('scheduler', ['ray_cluster', 'local_slurm'])
def test_an_interrupt_leaves_no_process_behind(fake, scheduler, request):
    found = request.getfixturevalue(scheduler)
    fake.configure('method', seconds_per_iter=0.3)
    (run,) = (r for r in plan_runs(fake.study, (0,), fake.out) if r.row == 'method')
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)

    def interrupt():
        wait_until(lambda: (run.work_dir / 'iter_10.pth').exists())
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        assert fake.run(only=['method'], cluster=found) == 130
    finally:
        thread.join()
        signal.signal(signal.SIGINT, previous)
    wait_until(lambda: not children(run.work_dir))
    assert fake.run(cluster=found) == 0
    assert any('iter_10.pth' in log for log in fake.logs('method'))


@pytest.mark.slow
def test_slurm_jobs_run_in_their_order(fake, local_slurm):
    fake.configure('source', crashes_at=15)
    assert fake.run(cluster=local_slurm) == 0
    assert {name: line['status'] for name, line in rows(fake).items()} == dict.fromkeys(
        ('source', 'method', 'oracle'), 'done'
    )


def test_slurm_gets_what_the_user_asks_for(tmp_path):
    options = {**DEFAULTS, 'partition': 'gpu', 'time': 90}
    options = {k: v for k, v in options.items() if k != 'timeout_min'}
    script = _make_sbatch_string(command='x', folder=tmp_path, **options)
    for line in ('partition=gpu', 'time=90', 'gpus-per-node=1', 'cpus-per-task=8'):
        assert f'#SBATCH --{line}\n' in script


class Waiting:
    """A job that Slurm has not started yet."""

    submitted = 0

    def __init__(self, folder, job_id):
        self.job_id = job_id

    def done(self):
        return False


class Executor:
    folder, job_class = Path('jobs'), Waiting

    def update_parameters(self, **parameters):
        assert parameters == {**DEFAULTS, 'slurm_partition': 'gpu'}

    def submit(self, *call):
        Waiting.submitted += 1
        return Waiting(self.folder, str(Waiting.submitted))


def test_a_job_that_waits_is_not_submitted_twice(fake, tmp_path):
    run = plan_runs(fake.study, (0,), fake.out)[0]
    for _ in range(2):  # two studies, the first was killed
        slurm = SlurmCluster(tmp_path, {'slurm_partition': 'gpu'}, Executor())
        job = slurm.submit(run, FAKE_TOOLS, tmp_path)
        assert (job.job_id, Waiting.submitted) == ('1', 1)
        assert slurm.result(job) is None


def test_without_slurm_one_line_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv('PATH', str(tmp_path))
    with pytest.raises(InputError, match='--launcher slurm: ') as caught:
        SlurmCluster(tmp_path, {})
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
    ('launcher', 'package'), [('ray', 'ray'), ('slurm', 'submitit')]
)
def test_a_missing_package_is_named(launcher, package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=rf"pip install 'cfcontra-mm\[{launcher}\]'"):
        cluster.require(package, launcher)


def test_a_folder_that_a_node_does_not_see(fake, tmp_path):
    run = plan_runs(fake.study, (0,), fake.out)[0]
    ended = cluster.work(run, FAKE_TOOLS, tmp_path / 'gone')
    assert ended.state == 'failed'
    assert 'that all nodes share' in ended.error


def test_a_step_ends_on_its_node_as_it_would_here(fake, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fake.configure('source', crashes_at=15)
    run = plan_runs(fake.study, (0,), fake.out)[0]
    ended = cluster.work(run, FAKE_TOOLS, tmp_path)
    assert replace(ended, seconds=0) == cluster.Ended(
        state='done',
        seconds=0,
        outcome='mIoU 20.0',
        error='',
        crash='training ended with exit status 1',
    )
    assert 0 < ended.seconds < 60
