"""Real processes, but of fake tools: rows that are trained again."""

import fcntl
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from cfcontra_mm.benchmark import overview, plan_runs
from cfcontra_mm.benchmark.runs import main
from cfcontra_mm.errors import InputError

pytestmark = pytest.mark.slow


def folders(fake, name):
    return sorted(path.name for path in fake.root.glob(f'runs/{name}_*'))


def lines(fake):
    text = (fake.out / 'results.jsonl').read_text()
    found = map(json.loads, text.splitlines())
    return {(line['row'], line['seed']): line for line in found}


def planned(fake, row='method', seed=0):
    (run,) = (r for r in plan_runs(fake.study, (seed,), fake.out) if r.row == row)
    return run


def mark(run):
    """Note in a run's folder, by which it is known wherever it goes."""
    (run.work_dir / 'mark').touch()


def test_a_finished_row_is_trained_again_and_its_folder_kept(fake, capsys):
    assert fake.run() == 0
    run = planned(fake)
    mark(run)
    others = {p: p.stat().st_mtime_ns for p in fake.root.glob('runs/[!m]*/**/*')}
    capsys.readouterr()
    assert fake.run(rerun=['method']) == 0
    aside = run.work_dir.with_name(f'{run.work_dir.name}.before-1')
    assert (
        f'method seed 0 is trained again; its old folder is now {aside}\n'
        in capsys.readouterr().out
    )
    assert (aside / 'mark').exists()
    assert (aside / 'result.json').exists()
    assert not (run.work_dir / 'mark').exists()
    assert '--resume' not in (run.work_dir / 'log.txt').read_text()
    found = {p: p.stat().st_mtime_ns for p in fake.root.glob('runs/[!m]*/**/*')}
    assert found == others
    line = lines(fake)['method', 0]
    assert fake.out / line['work_dir'] == fake.out / '../runs' / run.work_dir.name
    assert (fake.out / line['files'][0]).is_relative_to(fake.out / line['work_dir'])


def test_no_plan_picks_up_what_was_moved_aside(fake, capsys):
    fake.run(only=['method'])
    for _ in range(2):
        assert fake.run(rerun=['method'], only=['method']) == 0
    name = planned(fake).work_dir.name
    kept = [name, f'{name}.before-1', f'{name}.before-2']
    assert folders(fake, 'method') == kept
    capsys.readouterr()
    assert fake.run(only=['method']) == 0
    assert '1 of 1 runs are finished' in capsys.readouterr().out
    assert planned(fake).work_dir.name == name
    assert folders(fake, 'method') == kept


def test_only_the_chosen_seeds_are_trained_again(fake):
    assert fake.run(seeds=[0, 1], only=['method']) == 0
    for seed in (0, 1):
        mark(planned(fake, seed=seed))
    assert fake.run(seeds=[1], rerun=['method'], only=['source']) == 0
    assert [(planned(fake, seed=s).work_dir / 'mark').exists() for s in (0, 1)] == [
        True,
        False,
    ]
    assert set(lines(fake)) == {('source', 1), ('method', 0), ('method', 1)}


def test_the_old_figure_counts_until_there_is_a_new_one(fake, capsys):
    fake.run(only=['method'])
    old = lines(fake)['method', 0]
    run = planned(fake)
    tools = fake.root / 'tools'  # the config, and so the run, stays as it is
    tools.mkdir()
    for name in ('train', 'test'):
        (tools / f'{name}.py').write_text("raise RuntimeError('no memory')\n")
    real, fake.tools = fake.tools, tools
    assert fake.run(rerun=['method'], only=['method']) == 1
    printed = capsys.readouterr().out
    assert 'method seed 0 failed: ' in printed
    assert 'RuntimeError: no memory' in printed
    line = lines(fake)['method', 0]
    moved = ('work_dir', 'files')
    assert {k: v for k, v in line.items() if k not in moved} == {
        k: v for k, v in old.items() if k not in moved
    }
    assert line['work_dir'].endswith(f'{run.work_dir.name}.before-1')
    assert all((fake.out / path).exists() for path in line['files'])
    fake.tools = real
    assert fake.run(only=['method']) == 0
    line = lines(fake)['method', 0]
    assert line['work_dir'].endswith(run.work_dir.name)
    assert line['wall_seconds'] != old['wall_seconds']


def test_a_result_that_only_another_study_has_noted_is_kept_too(fake):
    fake.run(only=['method'])
    fake.out = fake.root / 'other'
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(main, '_run_all', lambda *arguments: ([], 130))
        assert fake.run(rerun=['method'], only=['method']) == 130
    assert lines(fake)['method', 0]['work_dir'].endswith('.before-1')


def test_after_an_interrupt_the_command_without_it_goes_on(fake, monkeypatch, capsys):
    monkeypatch.setattr(os, 'sched_getaffinity', lambda pid: {0})
    fake.configure('method', seconds_per_iter=0.3)
    fake.run(only=['method'])
    run = planned(fake)
    show = main.ProgressPrinter.show

    def press(*arguments):
        if (run.work_dir / 'iter_10.pth').exists():
            monkeypatch.setattr(main.ProgressPrinter, 'show', show)
            raise KeyboardInterrupt
        show(*arguments)

    monkeypatch.setattr(main.ProgressPrinter, 'show', press)
    capsys.readouterr()
    assert fake.run(rerun=['method'], only=['method']) == 130
    said = 'The same command without --rerun continues from here'
    assert said in capsys.readouterr().out
    assert lines(fake)['method', 0]['status'] == 'done'
    assert fake.run(only=['method']) == 0
    assert 'iter_10.pth' in (run.work_dir / 'log.txt').read_text()
    assert len(folders(fake, 'method')) == 2


def test_an_unfinished_row_begins_from_the_start(fake):
    fake.configure('method', fails_at=15)
    assert fake.run(only=['method']) == 1
    assert planned(fake).iteration() == 10
    assert fake.run(rerun=['method'], only=['method']) == 1
    log = (planned(fake).work_dir / 'log.txt').read_text()
    assert log.count('--resume') == 1  # the second chance of a crash
    assert lines(fake)['method', 0]['status'] == 'failed'


def test_a_row_that_has_never_run_is_just_run(fake, capsys):
    assert fake.run(rerun=['method'], only=['method']) == 0
    assert 'trained again' not in capsys.readouterr().out
    assert len(folders(fake, 'method')) == 1


def test_rows_of_one_run_are_trained_again_together(fake):
    twin = replace(fake.study.rows[1], name='twin')
    fake.study = replace(fake.study, rows=(*fake.study.rows, twin))
    fake.run(only=['method'])
    assert fake.run(rerun=['twin', 'method'], only=['twin']) == 0
    assert len(folders(fake, 'method')) == 2
    known = lines(fake)
    assert known['twin', 0]['work_dir'] == known['method', 0]['work_dir']


def test_features_are_collected_again(fake):
    fake.study = replace(fake.study, feature_rows=('method',))
    fake.run(only=['method'])
    planned(fake).features.write_text('old')
    assert fake.run(rerun=['method'], only=['method']) == 0
    assert planned(fake).features.read_text() != 'old'


def test_an_unknown_row_is_refused_in_one_line(fake):
    for call in (fake.run, lambda **a: overview(fake.study, fake.out, **a)):
        with pytest.raises(InputError, match='--rerun dcan: no such row; choose') as e:
            call(rerun=['dcan'])
        assert '\n' not in str(e.value)


def test_the_overview_lists_it_as_new(fake):
    fake.run(only=['method', 'source'])
    before = sorted(fake.root.rglob('*'))
    text = overview(fake.study, fake.out, rerun=['method'])
    found = {line.split()[1]: line for line in text.splitlines() if ' seed ' in line}
    assert 'new' in found['method']
    assert '0/20' in found['method'].replace('20/20', '')
    assert 'finished' in found['source']
    assert sorted(fake.root.rglob('*')) == before


@pytest.mark.parametrize('lock', ['lock', 'features'])
def test_a_run_that_is_in_use_stays_where_it_is(fake, lock):
    fake.run(only=['method'])
    run = planned(fake)
    name = f'.{run.work_dir.name}.{"features." if lock == "features" else ""}lock'
    with run.work_dir.with_name(name).open('w') as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(InputError, match='another study is using this folder'):
            fake.run(rerun=['method'], only=['method'])
    assert len(folders(fake, 'method')) == 1


def test_a_run_that_a_job_may_be_at_work_on_stays_where_it_is(fake):
    fake.run(only=['method'])
    planned(fake).job_note.write_text(f'7 {Path.cwd()}')
    with pytest.raises(InputError, match='Slurm job 7 may be using'):
        fake.run(rerun=['method'], only=['method'])
    assert len(folders(fake, 'method')) == 1
