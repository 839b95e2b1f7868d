import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch

from cfcontra_mm.benchmark.results.records import Record
from cfcontra_mm.benchmark.runs import pool as launch
from cfcontra_mm.benchmark.runs.run import Run


def make_run(tmp_path, name='a', max_iters=20):
    return Run(
        row=name,
        config='a.py',
        seed=3,
        max_iters=max_iters,
        identity='id',
        work_dir=tmp_path / name,
        settings={},
    )


def test_one_worker_a_core_capped_by_runs(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 0)
    monkeypatch.setattr(os, 'sched_getaffinity', lambda pid: {0, 1, 2})
    single = {'OMP_NUM_THREADS': '1', 'MKL_NUM_THREADS': '1'}
    assert launch.device_environments(8) == [single] * 3
    assert launch.device_environments(2) == [single] * 2
    assert launch.device_environments(1) == [single]


def test_one_worker_a_visible_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 2)
    monkeypatch.delenv('CUDA_VISIBLE_DEVICES', raising=False)
    key = 'CUDA_VISIBLE_DEVICES'
    assert launch.device_environments(8) == [{key: '0'}, {key: '1'}]
    for named in ('5,7', '5,7,9'):  # of those that are not there, torch counts none
        monkeypatch.setenv(key, named)
        assert launch.device_environments(8) == [{key: '5'}, {key: '7'}]
    assert launch.device_environments(1) == [{key: '5'}]


def test_commands_follow_what_is_on_disk(tmp_path):
    run, tools = make_run(tmp_path), Path('t')
    fresh = run.commands(tools)
    assert list(fresh) == ['training', 'testing']
    assert fresh['training'][1:] == [
        't/train.py',
        str(run.settings_file),
        '--seed',
        '3',
        '--work-dir',
        str(run.work_dir),
    ]
    assert fresh['testing'][1:] == [
        't/test.py',
        str(run.settings_file),
        str(run.work_dir / 'iter_20.pth'),
        '--work-dir',
        str(run.work_dir / 'test'),
        '--out',
        str(run.work_dir / 'predictions'),
        '--statistics',
        'both',
    ]
    run.work_dir.mkdir()
    checkpoint(run, 10)
    resumed = run.commands(tools)['training']
    assert resumed[-2:] == [str(run.work_dir), '--resume']
    checkpoint(run, 20)
    assert list(run.commands(tools)) == ['testing']


def checkpoint(run, iteration):
    (run.work_dir / f'iter_{iteration}.pth').touch()


def test_the_longest_remaining_run_goes_first(tmp_path):
    runs = [
        make_run(tmp_path, name, iterations)
        for name, iterations in (
            ('short', 20),
            ('long', 60),
            ('begun', 60),
            ('mid', 40),
        )
    ]
    runs[2].work_dir.mkdir()
    checkpoint(runs[2], 10)
    pool = launch.Pool(runs, tmp_path, [])
    assert [job.step.row for job in pool.queue] == ['long', 'begun', 'mid', 'short']


def test_what_others_need_goes_before_the_longest(tmp_path):
    first = make_run(tmp_path, 'first')
    runs = [make_run(tmp_path, 'long', 60), first, make_run(tmp_path, 'short')]
    runs[2] = replace(runs[2], needs=(first,))
    pool = launch.Pool(runs, tmp_path, [])
    assert [job.step.row for job in pool.queue] == ['first', 'long', 'short']


def test_a_finished_run_tells_its_pace(tmp_path):
    run = make_run(tmp_path)
    record = Record('a', 'a.py', 'id', 3, '1.0', {'mIoU': 1.0}, 30.0, resumed_from=5)
    status = launch.finished_status(run, record)
    assert (status.iteration, status.seconds_per_iter) == (20, 2.0)
    tested_only = replace(record, resumed_from=20)
    assert launch.finished_status(run, tested_only).seconds_per_iter is None


def test_a_process_that_will_not_end_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(launch, 'GRACE_SECONDS', 0.2)
    ready = tmp_path / 'ready'
    code = (
        'import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); '
        f'open({str(ready)!r}, "w").close(); time.sleep(60)'
    )
    run = make_run(tmp_path)
    monkeypatch.setattr(
        Run, 'commands', lambda *_: {'training': [sys.executable, '-c', code]}
    )
    job = launch.Job(run)
    job.start(tmp_path, {})
    while not ready.exists():
        assert job.poll()
        time.sleep(0.01)
    job.end()
    assert job.process.returncode == -signal.SIGKILL


def test_a_step_that_only_needs_its_mark_has_no_process_to_end(tmp_path, monkeypatch):
    monkeypatch.setattr(Run, 'commands', lambda *_: {})
    monkeypatch.setattr(Run, 'finish', lambda *_: 'done')
    pool = launch.Pool([make_run(tmp_path)], tmp_path, [{}])
    assert list(pool.step()) == []
    assert [job.state for job in pool.active] == ['done']
    pool.stop()
