"""Real processes, but of fake tools: what is run, reused, resumed and reported."""

import csv
import fcntl
import inspect
import json
import os
import shutil
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from mmengine.config import Config

from cfcontra_mm import version
from cfcontra_mm.benchmark import load_study, overview, plan_runs, write_tables
from cfcontra_mm.benchmark.results.provenance import environment, git_state
from cfcontra_mm.benchmark.results.records import PER_IMAGE
from cfcontra_mm.benchmark.runs import main
from cfcontra_mm.errors import InputError
from cfcontra_mm.toystreets import write_toystreets

REPOSITORY = Path(__file__).parents[3]
pytestmark = pytest.mark.slow


def trainings(fake, name):
    return sum(log.count('train ') for log in fake.logs(name))


def when_iteration(fake, name, iteration, act):
    """Call ``act(work_dir)`` in a thread once a run has logged that iteration."""

    def wait():
        for _ in range(6000):
            for path in fake.root.glob(f'runs/{name}_*/*/vis_data/scalars.json'):
                if f'"iter": {iteration},' in path.read_text():
                    act(path.parents[2])
                    return
            time.sleep(0.01)

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def test_writes_table(fake, capsys):
    assert fake.run() == 0
    printed = capsys.readouterr().out
    assert 'gap closed' in printed
    assert 'method seed 0: mIoU 26.0' in printed
    rows = list(csv.DictReader((fake.out / 'table.csv').open()))
    assert [row['method'] for row in rows] == ['source', 'method', 'oracle']
    assert rows[1] == {
        'method': 'method',
        'status': 'done',
        'road': '36',
        'sky': '16',
        'mIoU': '26',
        'mIoU std': '',
        'mIoU t low': '',
        'mIoU t high': '',
        'target statistics': '',
        'target statistics std': '',
        'running statistics': '26',
        'running statistics std': '',
        'gain': '6',
        'gap closed': '20',
        'difference': '',
        'over images low': '',
        'over images high': '',
        'over seeds low': '',
        'over seeds high': '',
        'p over images': '',
        'p over seeds': '',
        'p (Holm)': '',
        'blocks': '',
        'significant': '',
        'mIoU seed 0': '26',
        'statistics': 'running statistics',
        'version': '1.2.3',
        'iterations': '20',
        'commit': rows[1]['commit'],
    }
    assert rows[1]['commit'].startswith(git_state()['commit'][:10])
    markdown = (fake.out / 'table.md').read_text()
    assert markdown.splitlines()[0].split(' | ')[-1].startswith('gap closed')
    assert '1.2.3' in markdown
    assert not list(fake.out.rglob('*tmp*'))


def test_record_names_all_that_made_it(fake):
    fake.run()
    (run,) = [r for r in plan_runs(fake.study, (0,), fake.out) if r.row == 'method']
    record = json.loads((run.work_dir / 'result.json').read_text())
    wall_seconds = record.pop('wall_seconds')
    assert 0 < wall_seconds < 60
    assert record.pop('environment') == environment()
    assert record.pop('git') == git_state()
    assert json.loads(run.git_note.read_text()) == git_state()
    assert record == {
        'row': 'method',
        'config': run.config,
        'identity': run.identity,
        'seed': 0,
        'version': '1.2.3',
        'metrics': {'mIoU': 26.0, 'IoU.road': 36.0, 'IoU.sky': 16.0},
        'resumed_from': 0,
    }


def test_results_have_a_line_a_run(fake):
    shared = {'fake.note': 'shared'}
    fake.study = replace(fake.study, shared=shared)
    assert fake.run(seeds=[0, 1]) == 0
    (path,) = fake.root.glob('runs/oracle_seed0_*/result.json')
    path.write_text(path.read_text().replace('"IoU.sky": 40.0', '"IoU.sky": NaN'))
    assert fake.run(seeds=[0, 1]) == 0
    text = (fake.out / 'results.jsonl').read_text()
    assert 'NaN' not in text
    lines = [json.loads(line) for line in text.splitlines()]
    assert [(line['row'], line['seed']) for line in lines] == [
        (row, seed) for row in ('source', 'method', 'oracle') for seed in (0, 1)
    ]
    line = lines[2]
    (run,) = [r for r in plan_runs(fake.study, (0,), fake.out) if r.row == 'method']
    assert (line['status'], line['identity']) == ('done', run.identity)
    assert (line['max_iters'], line['overrides']) == (20, shared)
    assert line['resolved_config']['fake']['note'] == 'shared'
    assert line['version'] == '1.2.3'
    assert line['validations'] == {'20': {'mIoU': 26.0}}
    assert line['final'] == {'loss': 1.0}
    assert line['loss_shares'] == {'target.ent': 0.5}
    assert (fake.out / line['files'][0]).name == 'scalars.json'
    assert 'training' not in line
    assert line['shared_sources'] == run.shared_sources
    assert line['per_image'] == f'per_image/{run.work_dir.name}.npz'
    counts = (fake.out / line['per_image']).read_bytes()
    assert counts == (run.work_dir / PER_IMAGE).read_bytes()
    assert lines[4]['metrics']['IoU.sky'] is None


def test_tables_are_made_of_the_results_alone(fake, capsys):
    fake.study = replace(fake.study, reference='source')
    fake.run()
    capsys.readouterr()
    names = [f'table.{ending}' for ending in ('txt', 'md', 'tex', 'csv')]
    names.append('table_short.md')
    before = [(fake.out / name).read_text() for name in names]
    for name in names:
        (fake.out / name).unlink()
    for path in fake.root.glob('*.py'):
        path.unlink()
    shutil.rmtree(fake.root / 'runs')
    write_tables(fake.study, fake.out)
    assert [(fake.out / name).read_text() for name in names] == before
    assert before[0].splitlines()[3] in capsys.readouterr().out
    headings = [cell.strip() for cell in before[-1].splitlines()[0].split('|')[1:-1]]
    assert headings == [
        *('method', 'mIoU', 'gap closed', 'Δ source'),
        *('95 % CI over images', 'p (Holm)'),
    ]


def test_a_difference_is_tested_on_the_images_of_the_runs(fake):
    fake.study = replace(fake.study, reference='source')
    assert fake.run(seeds=[0, 1]) == 0
    source, method, _ = csv.DictReader((fake.out / 'table.csv').open())
    assert source['difference'] == ''
    # As certain as two figures that are rounded to 0.01.
    assert (method['difference'], method['over seeds low']) == ('6', '5.96332')
    # The same in every image: no chance, and one of the 64 swaps of six is as far.
    assert float(method['over images low']) == pytest.approx(6)
    assert float(method['over images high']) == pytest.approx(6)
    # Two rows are tested.
    assert (method['p over images'], method['blocks']) == ('0.03125', '6')
    assert (method['p (Holm)'], method['significant']) == ('0.0625', '0')


def test_overrides_reach_training_and_test(fake):
    fake.study = replace(fake.study, shared={'train_cfg.max_iters': 10})
    assert fake.run(only=['method']) == 0
    (log,) = fake.logs('method')
    assert 'iter_10.pth' in log


def test_what_was_planned_is_run_whatever_happens_to_the_config(fake):
    shared = {'fake.folder': 'my pair/a, b', 'fake.size': (2, [3]), 'fake.digits': '5'}
    fake.study = replace(fake.study, shared=shared)
    fake.configure('method', seconds_per_iter=0.05)
    edited = {'mIoU': 99.0, 'IoU.road': 99.0, 'IoU.sky': 99.0}
    thread = when_iteration(
        fake, 'method', 5, lambda _: fake.configure('method', metrics=edited)
    )
    assert fake.run(only=['method']) == 0
    thread.join()
    (line,) = map(json.loads, (fake.out / 'results.jsonl').read_text().splitlines())
    assert line['metrics']['mIoU'] == 26.0
    (run,) = [r for r in plan_runs(fake.study, (0,), fake.out) if r.row == 'method']
    assert run.identity != line['identity']  # it will be trained anew
    (path,) = fake.root.glob('runs/method_*/log.settings/method.py')
    read = Config.fromfile(path).fake
    assert (read.folder, read.size, read.digits) == ('my pair/a, b', (2, [3]), '5')


def test_rows_of_the_same_settings_are_trained_once(fake):
    twin = replace(fake.study.rows[1], name='twin')
    fake.study = replace(fake.study, rows=(*fake.study.rows, twin))
    assert fake.run() == 0
    assert trainings(fake, 'method') == 1
    assert not fake.logs('twin')
    rows = {r['method']: r for r in csv.DictReader((fake.out / 'table.csv').open())}
    assert rows['twin']['mIoU'] == rows['method']['mIoU'] == '26'


def test_overview_says_where_the_runs_stand(fake):
    text = overview(fake.study, fake.out)
    assert text.count(' new ') == 3
    assert 'No time estimate' in text
    assert not fake.out.exists()
    fake.configure('source', seconds_per_iter=0.01)
    fake.configure('method', fails_at=15)
    assert fake.run(only=['source', 'method']) == 1
    text = overview(fake.study, fake.out)
    lines = {line.split()[1]: line for line in text.splitlines() if ' seed ' in line}
    assert 'finished' in lines['source']
    assert '20/20' in lines['source']
    assert 'failed, resumable' in lines['method']
    assert '10/20' in lines['method']
    assert 'new' in lines['oracle']
    assert 'About 0:0' in text
    fake.configure('method', fails_at=5)
    assert fake.run(only=['method']) == 1
    assert '| failed ' in overview(fake.study, fake.out, only=['method'])
    assert ' new ' in overview(fake.study, fake.out, rerun=['method'])
    assert 'Nothing is left' in overview(fake.study, fake.out, only=['source'])
    with pytest.raises(InputError, match='--only dcan'):
        overview(fake.study, fake.out, only=['dcan'])


def test_second_run_reuses_and_changed_config_runs_anew(fake, capsys):
    fake.run()
    before = {path: path.stat().st_mtime_ns for path in fake.root.glob('runs/**/*')}
    capsys.readouterr()
    assert fake.run() == 0
    assert '3 of 3 runs are finished' in capsys.readouterr().out
    assert before == {p: p.stat().st_mtime_ns for p in fake.root.glob('runs/**/*')}

    fake.configure('method', metrics={'mIoU': 35.0, 'IoU.road': 1.0, 'IoU.sky': 2.0})
    assert fake.run() == 0
    assert [trainings(fake, name) for name in ('source', 'method')] == [1, 2]
    # A new run, not the old one resumed: no log names a checkpoint to start from.
    assert not any('--resume' in log for log in fake.logs('method'))
    assert '50 %' in capsys.readouterr().out


def test_changed_version_and_seed_run_anew(fake, monkeypatch):
    fake.run(only=['source'])
    fake.run(only=['source'], seeds=[1])
    monkeypatch.setattr(version, '__version__', '1.2.4')
    fake.run(only=['source'])
    assert trainings(fake, 'source') == 3


def test_only_starts_these_rows_and_shows_the_others(fake):
    assert fake.run(only=['method']) == 0
    assert not fake.logs('source')
    rows = list(csv.DictReader((fake.out / 'table.csv').open()))
    assert [row['status'] for row in rows] == ['not run', 'done', 'not run']
    assert rows[1]['gain'] == ''


def test_failed_run_is_named_and_the_others_finish(fake, capsys):
    fake.configure('method', fails_at=15)
    assert fake.run() == 1
    printed = capsys.readouterr().out
    assert 'training ended with exit status 1' in printed
    assert 'RuntimeError: loss is NaN' in printed
    assert 'log.txt' in printed
    rows = list(csv.DictReader((fake.out / 'table.csv').open()))
    assert [row['status'] for row in rows] == ['done', 'failed', 'done']
    assert rows[2]['gain'] == '30'
    lines = [
        json.loads(x) for x in (fake.out / 'results.jsonl').read_text().splitlines()
    ]
    (failed,) = [line for line in lines if line['status'] == 'failed']
    assert (failed['row'], failed['error']) == (
        'method',
        'training ended with exit status 1: RuntimeError: loss is NaN',
    )
    write_tables(fake.study, fake.out)
    assert list(csv.DictReader((fake.out / 'table.csv').open())) == rows


def test_what_is_known_of_other_seeds_and_rows_stays_in_the_results(fake):
    fake.configure('method', fails_at=15)
    assert fake.run(seeds=[0, 1]) == 1
    before = (fake.out / 'results.jsonl').read_text()
    shutil.rmtree(min(fake.root.glob('runs/oracle_seed1_*')))
    assert fake.run(seeds=[0], only=['source']) == 0
    assert (fake.out / 'results.jsonl').read_text() == before
    fake.configure('method')
    assert fake.run(seeds=[0], only=['source']) == 0
    kept = [
        json.loads(x) for x in (fake.out / 'results.jsonl').read_text().splitlines()
    ]
    # What failed had other settings.
    assert [(line['row'], line['seed']) for line in kept] == [
        (row, seed) for row in ('source', 'oracle') for seed in (0, 1)
    ]


def test_a_failed_run_is_told_and_the_table_is_there_all_the_same(fake, capsys):
    fake.configure('method', fails_at=15)
    shutil.rmtree(fake.images)
    fake.study = replace(fake.study, data=None)
    assert fake.run() == 1
    assert 'RuntimeError: loss is NaN' in capsys.readouterr().out
    assert (fake.out / 'table.csv').exists()


def test_crashed_training_goes_on_once_from_its_checkpoint(fake, capsys):
    fake.configure('method', crashes_at=15)
    assert fake.run() == 0
    (log,) = fake.logs('method')
    assert log.count('iter_10.pth') == 1
    assert (
        'restarted once: training ended with exit status 1' in capsys.readouterr().out
    )


def test_crashes_that_repeat_and_wrong_arguments_end_a_run(fake):
    fake.configure('source', crashes_at=5)  # before the first checkpoint
    fake.configure('method', crashes_at=15, exit_status=2)
    assert fake.run() == 1
    assert [trainings(fake, name) for name in ('source', 'method')] == [2, 1]
    lines = (fake.out / 'results.jsonl').read_text().splitlines()
    assert [json.loads(line)['status'] for line in lines] == ['failed'] * 2 + ['done']


def test_test_without_miou_fails_the_run(fake, capsys):
    fake.configure('method', metrics={'aAcc': 80.0})
    assert fake.run() == 1
    assert 'no mIoU' in capsys.readouterr().out
    assert not list(fake.root.glob('runs/method_*/result.json'))


def test_killed_training_resumes_from_its_last_checkpoint(fake):
    fake.configure('method', seconds_per_iter=0.1)
    pids = []

    def kill(work_dir):
        pid = newest_child(work_dir)
        pids.append(pid)
        os.kill(pid, signal.SIGKILL)

    thread = when_iteration(fake, 'method', 13, kill)
    assert fake.run() == 0
    thread.join()
    assert pids
    (log,) = fake.logs('method')
    assert log.count('train ') == 2
    assert log.rstrip().splitlines()[-2] == 'from iter_10.pth'
    (result,) = fake.root.glob('runs/method_*/result.json')
    # The time of the record is that of both processes, from iteration 0 on.
    assert json.loads(result.read_text())['resumed_from'] == 0


def newest_child(work_dir):
    """The process whose command line names a run's folder."""
    for entry in os.listdir('/proc'):
        if not entry.isdigit():
            continue
        try:
            with open(f'/proc/{entry}/cmdline') as file:
                if str(work_dir) in file.read().split('\0'):
                    return int(entry)
        except OSError:
            continue
    raise AssertionError(f'no process works in {work_dir}')


@pytest.fixture
def _minds_interrupts():
    """A shell starts background processes deaf to SIGINT; the tests may be one."""
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, previous)


@pytest.mark.usefixtures('_minds_interrupts')
@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_interrupt_ends_the_children_and_continues_later(
    fake, capsys, monkeypatch, number
):
    # One after the other, so that the first has failed by then.
    monkeypatch.setattr(os, 'sched_getaffinity', lambda pid: {0})
    fake.configure('source', fails_at=1)
    fake.configure('method', seconds_per_iter=0.1)
    children = []

    def interrupt(work_dir):
        children.append(newest_child(work_dir))
        os.kill(os.getpid(), number)

    thread = when_iteration(fake, 'method', 12, interrupt)
    assert fake.run() == 128 + number
    thread.join()
    assert 'same command continues' in capsys.readouterr().out
    with pytest.raises(ProcessLookupError):
        os.kill(children[0], 0)
    assert not (fake.out / 'table.csv').exists()
    lines = (fake.out / 'results.jsonl').read_text().splitlines()
    statuses = {json.loads(line)['row']: json.loads(line)['status'] for line in lines}
    assert statuses == {'source': 'failed'}
    fake.configure('source')
    assert fake.run() == 0
    (log,) = fake.logs('method')
    assert 'iter_10.pth' in log


def test_a_validation_that_a_kill_prevented_is_made_up(fake, capsys):
    fake.configure('method', val_dataloader={'type': 'any'}, dies_validating=True)
    assert fake.run() == 0
    assert 'method seed 0: mIoU 26.0' in capsys.readouterr().out
    (log,) = fake.logs('method')
    assert log.count('from iter_20.pth') == 1
    assert 'without the validation' not in capsys.readouterr().out
    lines = map(json.loads, (fake.out / 'results.jsonl').read_text().splitlines())
    assert {line['row']: line['validations'] for line in lines}['method'] == {
        '20': {'mIoU': 26.0}
    }


def test_a_validation_that_cannot_be_made_up_is_named(fake, capsys):
    fake.study = replace(fake.study, shared={'train_cfg.val_interval': 10})
    fake.configure('method', val_dataloader={'type': 'any'})
    assert fake.run(only=['method']) == 0
    said = 'method seed 0: mIoU 26.0, without the validation of iteration 10'
    printed = capsys.readouterr().out
    assert said in printed
    assert 'due is missing: method seed 0 (iteration 10)' in printed


def test_finished_training_is_only_tested(fake):
    fake.run()
    (result,) = fake.root.glob('runs/method_*/result.json')
    result.unlink()
    assert fake.run() == 0
    (log,) = fake.logs('method')
    assert (log.count('train '), log.count('test ')) == (1, 2)


def test_folder_in_use_is_refused(fake):
    fake.out.mkdir()
    with (fake.out / '.lock').open('w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(InputError, match='still in progress'):
            fake.run()
    assert fake.run() == 0


def test_studies_side_by_side_share_their_runs(fake, capsys):
    fake.run()
    only = replace(fake.study.rows[1], name='the same')
    fake.study = replace(fake.study, rows=(only,), baseline=None, oracle=None)
    fake.out = fake.root / 'other'
    assert fake.run() == 0
    assert '1 of 1 runs are finished' in capsys.readouterr().out
    (line,) = (fake.out / 'results.jsonl').read_text().splitlines()
    assert json.loads(line)['row'] == 'the same'
    assert (fake.out / json.loads(line)['per_image']).exists()
    assert trainings(fake, 'method') == 1
    assert not fake.logs('the-same')


def test_a_run_of_another_study_is_waited_for_by_the_user(fake):
    run = plan_runs(fake.study, (0,), fake.out)[1]
    run.lock.parent.mkdir()
    with run.lock.open('w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(InputError, match='another study is using') as caught:
            fake.run()
        assert str(run.work_dir) in str(caught.value)
        assert fake.run(only=['source']) == 0
    assert fake.run() == 0


def test_unknown_row_is_refused(fake):
    with pytest.raises(InputError, match='choose from source, method, oracle'):
        fake.run(only=['dcan'])


def test_data_is_written_before_the_first_run(fake, tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(main, 'write_toystreets', lambda **kw: calls.append(kw))
    data = {'root': str(tmp_path / 'toy'), 'num_val': 3}
    fake.study = replace(fake.study, data=data)
    fake.run()
    (call,) = calls
    progress = call.pop('progress')
    assert call == data
    progress(1, 10)  # silent: so far less than a second has been spent


def test_shipped_study_names_arguments_of_the_renderer():
    study = load_study(REPOSITORY / 'configs/studies/demo_toystreets.py')
    inspect.signature(write_toystreets).bind(**study.data, progress=None)
    assert study.row_names() == [
        'source-only',
        'source-only + target statistics',
        'MinEnt',
        'MinEnt + style',
        'MinEnt + contrast',
        'CFContra',
        'oracle',
    ]


def test_the_full_study_has_every_method_on_the_demos_data():
    demo, full = (
        load_study(REPOSITORY / 'configs' / 'studies' / f'{name}.py')
        for name in ('demo_toystreets', 'toystreets')
    )
    assert (full.data, full.preparations) == (demo.data, demo.preparations)
    plain = {replace(row, control=False) for row in full.rows}
    assert set(demo.rows) <= plain
    configs = (REPOSITORY / 'configs').glob('[!_]*/deeplabv2_r18_toystreets*.py')
    configs = [path for path in configs if 'on-the-fly' not in path.name]
    assert {row.config for row in full.rows if 'ablation' not in row.config} == {
        str(path.relative_to(REPOSITORY)) for path in configs
    }
    assert len(full.seeds) > 1
