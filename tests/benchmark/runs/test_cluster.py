"""Real schedulers on one machine, but fake tools."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import ray
from ray.cluster_utils import Cluster as RayTestCluster

from cfcontra_mm.benchmark import plan_runs
from cfcontra_mm.benchmark.runs import cluster
from cfcontra_mm.benchmark.runs.ray_cluster import RayCluster
from cfcontra_mm.benchmark.runs.slurm_cluster import LISTED_SECONDS, SlurmCluster
from cfcontra_mm.errors import InputError

FAKE_TOOLS = Path(__file__).parents[1] / 'fake_tools'
FAKE_SLURM = Path(__file__).parents[1] / 'fake_slurm.py'


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
def slurm(tmp_path, monkeypatch):
    """Slurm with stand-ins for its commands; a step is a job on this machine."""
    commands, state = tmp_path / 'commands', tmp_path / 'slurm_state'
    for folder in (commands, state):
        folder.mkdir()
    for name in ('sbatch', 'srun', 'sacct', 'scancel', 'scontrol'):
        (commands / name).symlink_to(FAKE_SLURM)
    monkeypatch.setenv('PATH', f'{commands}:{os.environ["PATH"]}')
    monkeypatch.setenv('FAKE_SLURM', str(state))
    return SlurmCluster(tmp_path / 'jobs', {'slurm_partition': 'gpu'})


def jobs(tmp_path):
    """Slurm's numbers of all jobs."""
    return sorted(path.name for path in (tmp_path / 'slurm_state').iterdir())


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
        fake.configure(name, seconds_per_iter=0.5)
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


def parent(pid):
    """The process that started another."""
    (line,) = re.findall(r'PPid:\s*(\d+)', Path(f'/proc/{pid}/status').read_text())
    return int(line)


def wait_until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.parametrize('scheduler', ['ray_cluster', 'slurm'])
def test_an_interrupt_leaves_no_process_behind(fake, scheduler, request):
    found = request.getfixturevalue(scheduler)
    fake.configure('method', seconds_per_iter=0.6)
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
def test_ray_leaves_no_process_behind_of_a_worker_that_is_killed(
    fake, ray_cluster, capsys
):
    fake.configure('method', seconds_per_iter=2)  # 40 s, if nothing ended it
    (run,) = (r for r in plan_runs(fake.study, (0,), fake.out) if r.row == 'method')

    def kill_worker():
        wait_until(lambda: list(run.work_dir.glob('*/vis_data/scalars.json')))
        (training,) = children(run.work_dir)
        os.kill(parent(training), signal.SIGKILL)

    thread = threading.Thread(target=kill_worker)
    thread.start()
    assert fake.run(only=['method'], cluster=ray_cluster) == 1
    thread.join()
    assert 'ended by Ray: The worker died' in capsys.readouterr().out
    wait_until(lambda: not children(run.work_dir), seconds=5)


@pytest.mark.slow
def test_slurm_runs_a_study_as_jobs_of_the_users_options(fake, slurm, tmp_path, capsys):
    fake.configure('source', crashes_at=15)
    fake.configure('method', fails_at=15)
    assert fake.run(only=['source', 'method'], cluster=slurm) == 1
    printed = capsys.readouterr().out
    assert 'source seed 0: mIoU 20.0' in printed
    assert 'restarted once: training ended with exit status 1' in printed
    assert 'method seed 0 failed: training ended with exit status 1' in printed
    assert re.search(
        r'Last lines of .*/log\.txt:\n(.*\n)*  RuntimeError: loss', printed
    )
    assert len(jobs(tmp_path)) == 2
    for job in jobs(tmp_path):
        script = (tmp_path / 'jobs' / f'{job}_submission.sh').read_text()
        for option in ('partition=gpu', 'time=1440', 'gpus-per-node=1'):
            assert f'#SBATCH --{option}\n' in script


@pytest.mark.slow
def test_a_job_that_slurm_rejects_fails_alone(fake, slurm, tmp_path, capsys):
    sbatch = tmp_path / 'commands' / 'sbatch'
    sbatch.unlink()
    sbatch.write_text(
        '#!/bin/sh\necho "sbatch: error: invalid partition" >&2; exit 1\n'
    )
    sbatch.chmod(0o755)
    assert fake.run(cluster=slurm) == 1
    reason = 'failed: Slurm rejected the job: sbatch: error: invalid partition'
    assert capsys.readouterr().out.count(f'method seed 0 {reason}') == 2
    assert [line['status'] for line in rows(fake).values()] == ['failed'] * 3


@pytest.mark.slow
def test_a_job_left_behind_is_followed_by_any_study_that_shares_the_run(
    fake, slurm, tmp_path
):
    fake.configure('method', seconds_per_iter=0.2)
    (run,) = (r for r in plan_runs(fake.study, (0,), fake.out) if r.row == 'method')
    slurm.submit(run, FAKE_TOOLS, Path.cwd())  # by a study that was killed
    fake.out = fake.root / 'another'
    following = SlurmCluster(fake.out / 'slurm', {})
    assert fake.run(only=['method'], cluster=following) == 0
    assert len(jobs(tmp_path)) == 1
    (log,) = fake.logs('method')
    assert log.count('train ') == 1


@pytest.mark.slow
def test_other_launchers_leave_a_run_alone_that_a_job_may_be_at(fake, slurm, tmp_path):
    fake.configure('method', seconds_per_iter=0.2)
    (run,) = (r for r in plan_runs(fake.study, (0,), fake.out) if r.row == 'method')
    slurm.submit(run, FAKE_TOOLS, Path.cwd())
    (job,) = jobs(tmp_path)
    with pytest.raises(InputError, match=rf'Slurm job {job} may .* --launcher slurm'):
        fake.run(only=['method'])
    assert fake.run(only=['method'], cluster=slurm) == 0
    assert not run.job_note.exists()
    (run.work_dir / 'result.json').unlink()
    assert fake.run(only=['method']) == 0


@pytest.mark.slow
def test_a_job_that_slurm_has_forgotten_is_not_waited_for(fake, slurm, tmp_path):
    run = plan_runs(fake.study, (0,), fake.out)[0]
    run.begin()
    run.job_note.write_text(f'12345 {tmp_path / "jobs"}')
    minutes_ago = time.time() - 2 * LISTED_SECONDS
    os.utime(run.job_note, (minutes_ago, minutes_ago))
    assert fake.run(only=['source'], cluster=slurm) == 0
    assert len(jobs(tmp_path)) == 1


@pytest.mark.slow
def test_a_step_shows_what_its_job_is_doing(fake, slurm):
    fake.configure('method', seconds_per_iter=0.1)
    (run,) = (r for r in plan_runs(fake.study, (0,), fake.out) if r.row == 'method')
    job = cluster.ClusterJob(run, slurm)
    assert job.status().state == 'queued'
    job.start(FAKE_TOOLS, {})
    seen = [job.status().state]
    while job.poll():
        seen.append(job.status().state)
        time.sleep(0.02)
    states = [*dict.fromkeys(seen), job.status().state]
    assert states == ['submitted', 'training', 'testing', 'done']


@pytest.mark.slow
def test_a_job_out_of_time_goes_on_from_its_checkpoint(fake, slurm, tmp_path):
    fake.configure('method', seconds_per_iter=0.2)
    (run,) = (r for r in plan_runs(fake.study, (0,), fake.out) if r.row == 'method')

    def run_out_of_time():
        wait_until(lambda: (run.work_dir / 'iter_10.pth').exists())
        subprocess.run(['scancel', *jobs(tmp_path), '--signal', 'USR2'], check=True)

    # So short that submitit takes each end for one by the clock.
    slurm = SlurmCluster(tmp_path / 'jobs', {'timeout_min': 1})
    thread = threading.Thread(target=run_out_of_time)
    thread.start()
    assert fake.run(only=['method'], cluster=slurm) == 0
    thread.join()
    (log,) = fake.logs('method')
    assert log.count('train ') == 2
    assert log.count('--resume') == 1
    assert len(jobs(tmp_path)) == 1


@pytest.mark.parametrize('option', [{'wrong': 1}, {'timeout_min': '1-00:00'}])
def test_a_wrong_option_gets_one_line(slurm, tmp_path, option):
    with pytest.raises(InputError, match='--launcher slurm: ') as caught:
        SlurmCluster(tmp_path, option)
    assert '\n' not in str(caught.value)
    assert next(iter(option)) in str(caught.value)


def test_a_ray_cluster_that_does_not_answer_gets_one_line(monkeypatch):
    def init(**arguments):
        raise ConnectionError('a long story')

    monkeypatch.setenv('RAY_ADDRESS', '192.0.2.1:6379')
    monkeypatch.setattr(ray, 'is_initialized', lambda: False)
    monkeypatch.setattr(ray, 'init', init)
    with pytest.raises(InputError, match=r'ray: the cluster 192.0.2.1:6379 does not'):
        RayCluster()


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
    assert replace(ended, seconds=0) == cluster.StepResult(
        state='done',
        seconds=0,
        outcome='mIoU 20.0',
        error='',
        crash='training ended with exit status 1',
    )
    assert 0 < ended.seconds < 60
