"""Real processes, but of fake tools: what is made before the rows that need it."""

import csv
import fcntl
import hashlib
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from mmengine.config import Config

from cfcontra_mm.benchmark import Preparation, Row, plan_runs
from cfcontra_mm.benchmark.runs import main
from cfcontra_mm.errors import InputError

ENCODER, STYLE = Path('work_dirs/style/encoder'), Path('work_dirs/style/style')
COPY = Path('data/copy')
FOLDERS = {'encoder': ENCODER, 'style': STYLE, 'copy': COPY}


@pytest.fixture
def styled(fake, tmp_path, monkeypatch):
    """The fake study with a row that needs a chain of three preparations."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, 'sched_getaffinity', lambda pid: {0, 1})
    for name in ('style/encoder', 'style/style', 'styled'):
        Path(name).parent.mkdir(exist_ok=True)
        fake.configure(name)
    fake.study = replace(
        fake.study,
        rows=(*fake.study.rows, Row('styled', 'styled.py', needs=('copy',))),
        preparations=(
            Preparation('encoder', train='style/encoder.py'),
            Preparation('style', train='style/style.py', needs=('encoder',)),
            Preparation(
                'copy',
                translate='style/style.py',
                out=str(COPY),
                needs=('style',),
            ),
        ),
    )
    return fake


def identities(fake):
    return {run.row: run.identity for run in plan_runs(fake.study, (0,), fake.out)}


def log(fake, name):
    return (fake.out / 'preparations' / f'{name}.log').read_text()


def starts(fake):
    """How often each preparation was started."""
    logs = fake.out.glob('preparations/*.log')
    words = {path.stem: path.read_text().split() for path in logs}
    return {n: w.count('train') + w.count('translate') for n, w in words.items()}


def begun(work_dir):
    """When a fake training began, in ns."""
    (log_dir,) = work_dir.glob('*/vis_data')
    return int(log_dir.parent.name)


def files(*folders):
    paths = (path for folder in folders for path in folder.rglob('*'))
    return {path: path.stat().st_mtime_ns for path in paths if path.is_file()}


def interrupt_once(monkeypatch, path):
    """Press Ctrl-C when the file is there."""
    real = main.ProgressPrinter.show

    def press(*arguments):
        if path.exists():
            monkeypatch.setattr(main.ProgressPrinter, 'show', real)
            raise KeyboardInterrupt
        real(*arguments)

    monkeypatch.setattr(main.ProgressPrinter, 'show', press)


@pytest.mark.slow
def test_a_row_starts_after_its_needs_and_others_beside_them(styled, capsys):
    styled.configure('style/encoder', seconds_per_iter=0.1)
    assert styled.run() == 0
    printed = capsys.readouterr().out
    assert 'the others first need: encoder, style, copy' in printed
    assert 'encoder: done (0:0' in printed
    assert 'copy: done (0:0' in printed
    runs = {run.row: run.work_dir for run in plan_runs(styled.study, (0,), styled.out)}
    ends = [ENCODER / 'iter_20.pth', STYLE / 'iter_20.pth', COPY / 'translation.json']
    ended = [path.stat().st_mtime_ns for path in ends]
    assert ended[0] < begun(STYLE)
    assert ended[1] < ended[2] < begun(runs['styled'])
    assert begun(runs['source']) < ended[0]
    settings = f'{styled.out}/preparations/'
    assert log(styled, 'encoder') == (
        f'train {settings}encoder.settings/encoder.py '
        '--work-dir work_dirs/style/encoder\n'
    )
    assert log(styled, 'copy').startswith(
        f'translate {settings}copy.settings/style.py '
        'work_dirs/style/style/iter_20.pth --out data/copy\n'
    )


@pytest.mark.slow
def test_overrides_reach_training_and_translation(styled):
    overrides = {'fake.note': 'x'}
    changed = [replace(p, overrides=overrides) for p in styled.study.preparations]
    plain = identities(styled)
    styled.study = replace(styled.study, preparations=tuple(changed))
    assert identities(styled)['styled'] != plain['styled']
    assert styled.run(only=['styled']) == 0
    for name, config in (('encoder', 'encoder'), ('style', 'style'), ('copy', 'style')):
        path = styled.out / 'preparations' / f'{name}.settings' / f'{config}.py'
        assert str(path) in log(styled, name)
        assert Config.fromfile(path).fake.note == 'x'


@pytest.mark.slow
def test_finished_preparations_are_not_repeated(styled, capsys):
    styled.run(only=['styled'])
    before = files(ENCODER, STYLE, COPY)
    capsys.readouterr()
    styled.out = styled.root / 'another study'
    assert styled.run(only=['styled'], seeds=[1]) == 0
    assert 'first need' not in capsys.readouterr().out
    assert files(ENCODER, STYLE, COPY) == before
    assert not starts(styled)


@pytest.mark.slow
def test_only_starts_what_the_chosen_unfinished_rows_need(styled):
    assert styled.run(only=['source']) == 0
    assert starts(styled) == {}
    assert styled.run(only=['styled']) == 0
    assert starts(styled) == {'encoder': 1, 'style': 1, 'copy': 1}
    for folder in FOLDERS.values():
        shutil.rmtree(folder)
    assert styled.run(only=['styled']) == 0
    assert starts(styled) == {'encoder': 1, 'style': 1, 'copy': 1}


@pytest.mark.slow
def test_a_finished_copy_needs_no_translator(styled):
    styled.run(only=['styled'])
    shutil.rmtree(STYLE)
    assert styled.run(only=['styled'], seeds=[1]) == 0
    assert not STYLE.exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ('preparation', 'slow', 'reached'),
    [
        ('encoder', 'encoder', ENCODER / 'iter_10.pth'),
        ('copy', 'style', COPY / 'street_2.png'),
    ],
)
def test_an_interrupted_preparation_goes_on(
    styled, monkeypatch, preparation, slow, reached
):
    styled.configure(f'style/{slow}', seconds_per_iter=0.1)
    interrupt_once(monkeypatch, reached)
    assert styled.run(only=['styled']) == 130
    before = reached.stat().st_mtime_ns
    assert styled.run(only=['styled']) == 0
    assert reached.stat().st_mtime_ns == before
    assert starts(styled)[preparation] == 2
    if preparation == 'encoder':
        assert log(styled, 'encoder').endswith(f'--resume\nfrom {reached.name}\n')


@pytest.mark.slow
def test_a_training_cut_off_before_its_mark_is_only_marked(styled):
    styled.run(only=['styled'])
    marker = ENCODER / 'preparation.json'
    marked = marker.read_text()
    marker.write_text(marked.replace('true', 'false'))
    shutil.rmtree(STYLE)
    shutil.rmtree(COPY)
    assert styled.run(only=['styled'], seeds=[1]) == 0
    assert marker.read_text() == marked
    assert starts(styled) == {'encoder': 1, 'style': 2, 'copy': 2}


@pytest.mark.slow
def test_a_failed_preparation_fails_what_needs_it(styled, capsys):
    styled.configure('style/style', fails_at=15)
    assert styled.run() == 1
    printed = capsys.readouterr().out
    for line in (
        'style failed: training ended with exit status 1',
        "copy failed: needs 'style', which failed",
        "styled seed 0 failed: needs 'copy', which failed",
        'RuntimeError: loss is NaN',
    ):
        assert line in printed
    rows = list(csv.DictReader((styled.out / 'table.csv').open()))
    assert [row['status'] for row in rows] == ['done', 'done', 'done', 'failed']
    assert not COPY.exists()


@pytest.mark.slow
def test_other_settings_are_neither_reused_nor_overwritten(styled):
    styled.run(only=['styled'])
    before = files(ENCODER, STYLE, COPY)
    styled.configure('style/style', max_iters=30)
    with pytest.raises(InputError, match='other settings') as caught:
        styled.run()
    # The encoder is not concerned.
    assert str(caught.value).startswith(f'{STYLE}, {COPY}: ')
    assert files(ENCODER, STYLE, COPY) == before
    assert not styled.logs('source')
    STYLE.rename('kept style')
    COPY.rename('kept copy')
    assert styled.run(only=['styled']) == 0
    assert starts(styled) == {'encoder': 1, 'style': 2, 'copy': 2}


@pytest.mark.parametrize('name', FOLDERS)
def test_what_was_made_by_hand_is_refused(styled, name):
    by_hand = FOLDERS[name] / 'iter_20.pth'
    by_hand.parent.mkdir(parents=True)
    by_hand.touch()
    with pytest.raises(InputError, match=f'{FOLDERS[name]}: .* delete or move it'):
        styled.run()
    assert not starts(styled)
    assert by_hand.exists()


def test_a_damaged_marker_file_is_refused(styled):
    ENCODER.mkdir(parents=True)
    (ENCODER / 'preparation.json').write_text('{"identity"')
    with pytest.raises(InputError, match='delete or move it'):
        styled.run()


def test_a_folder_that_another_study_fills_is_refused(styled):
    ENCODER.parent.mkdir(parents=True)
    with (ENCODER.parent / '.encoder.lock').open('w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(InputError, match='encoder: another study is using'):
            styled.run()


@pytest.mark.slow
def test_a_tool_that_leaves_nothing_fails(styled, capsys):
    # Its last checkpoint is the tenth, so the twelfth is never written.
    styled.configure('style/encoder', max_iters=12)
    assert styled.run(only=['styled']) == 1
    assert 'iter_12.pth was not written' in capsys.readouterr().out


def test_identity_of_a_row_without_needs_is_of_its_own_settings_alone(styled):
    plain = replace(styled.study, rows=styled.study.rows[:3], preparations=())
    runs = plan_runs(plain, (0,), styled.out)
    assert plan_runs(styled.study, (0,), styled.out)[:3] == runs
    parts = {
        'config': Config.fromfile(runs[0].config).to_dict(),
        'seed': 0,
        'data': styled.study.data,
        'version': '1.2.3',
        'sources': sorted(set(runs[0].sources.values())),
        'needs': [],
    }
    text = json.dumps(parts, sort_keys=True)
    assert runs[0].identity == hashlib.sha256(text.encode()).hexdigest()


def test_identity_follows_all_that_was_prepared(styled):
    first = identities(styled)
    styled.configure('style/encoder', max_iters=30)
    changed = identities(styled)
    assert {row for row in first if first[row] != changed[row]} == {'styled'}
    copy = replace(styled.study.preparations[2], out='elsewhere')
    styled.study = replace(
        styled.study, preparations=(*styled.study.preparations[:2], copy)
    )
    assert identities(styled)['styled'] not in (first['styled'], changed['styled'])
