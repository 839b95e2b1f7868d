"""Real processes, but of fake tools: what is made once with each seed of a row."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from mmengine.config import Config

from cfcontra_mm.benchmark import Preparation, Row, load_study, overview, plan_runs
from cfcontra_mm.errors import InputError

STAGES = Path('work_dirs/staged')
SECOND = '/stage2_seed{seed}/iter_20.pth'


@pytest.fixture
def staged(fake, tmp_path, monkeypatch):
    """The fake study with a row of two stages before it, on a copy made once."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, 'sched_getaffinity', lambda pid: {0, 1})
    for name in ('staged/stage1', 'staged/stage2', 'staged/style', 'last'):
        Path(name).parent.mkdir(exist_ok=True)
        fake.configure(name)
    first = {'load_from': f'{STAGES}/stage1_seed{{seed}}/iter_20.pth'}
    row = Row(
        'last',
        'last.py',
        overrides={
            'load_from': f'{STAGES}{SECOND}',
            'fake.paths': [{'a': ('{seed}',)}],
        },
        needs=('copy',),
        per_seed=('second', 'first'),
    )
    fake.study = replace(
        fake.study,
        rows=(*fake.study.rows, row),
        seeds=(0, 1),
        preparations=(
            Preparation('style', train='staged/style.py'),
            Preparation(
                'copy', translate='staged/style.py', out='data/copy', needs=('style',)
            ),
            Preparation('first', train='staged/stage1.py', needs=('style',)),
            Preparation(
                'second',
                train='staged/stage2.py',
                needs=('first', 'copy'),
                overrides=first,
            ),
        ),
    )
    return fake


def planned(fake, seeds=(0, 1)):
    runs = plan_runs(fake.study, seeds, fake.out)
    return {run.seed: run for run in runs if run.row == 'last'}


def everything_before(step):
    """What a step needs, and what that needs, by label."""
    found = {}
    for need in step.needs:
        found |= {need.label: need} | everything_before(need)
    return found


def log(fake, name):
    return (fake.out / 'preparations' / f'{name}.log').read_text()


def test_a_run_builds_on_the_stages_of_its_seed(staged):
    runs = planned(staged)
    for seed, run in runs.items():
        needs = everything_before(run)
        stages = {f'first seed {seed}', f'second seed {seed}'}
        assert set(needs) == stages | {'style', 'copy'}
        second = needs[f'second seed {seed}']
        assert {need.label for need in second.needs} == {f'first seed {seed}', 'copy'}
        assert second.work_dir == STAGES / f'stage2_seed{seed}'
        assert second.settings['load_from'] == f'{STAGES}/stage1_seed{seed}/iter_20.pth'
        assert run.settings['load_from'] == f'{STAGES}/stage2_seed{seed}/iter_20.pth'
        assert run.settings['fake']['paths'] == [{'a': (str(seed),)}]
        assert run.overrides['load_from'] == run.settings['load_from']
    first, second = (everything_before(run) for run in runs.values())
    assert first['copy'] is second['copy']
    assert runs[0].identity != runs[1].identity


def test_a_stage_is_made_once_for_all_rows_that_name_it(staged):
    (*others, row) = staged.study.rows
    twin = replace(row, name='twin', overrides={'fake.note': 'x'})
    staged.study = replace(staged.study, rows=(*others, row, twin))
    runs = plan_runs(staged.study, (0,), staged.out)[-2:]
    assert runs[0].identity != runs[1].identity
    assert runs[0].needs == runs[1].needs


def test_a_row_may_build_on_the_same_preparation_made_once(staged):
    (*others, row) = staged.study.rows
    once = replace(row, name='once', overrides={}, needs=('first',), per_seed=())
    staged.study = replace(staged.study, rows=(*others, row, once))
    run = plan_runs(staged.study, (0,), staged.out)[-1]
    (need,) = run.needs
    assert (need.label, need.seed) == ('first', None)
    assert need.work_dir == STAGES / 'stage1'


def test_identity_follows_the_stages_of_the_seed(staged):
    before = planned(staged)
    staged.configure('staged/stage1', max_iters=30)
    after = planned(staged)
    assert all(before[seed].identity != after[seed].identity for seed in before)


@pytest.mark.slow
def test_stages_are_trained_with_each_seed(staged, capsys):
    text = overview(staged.study, staged.out, only=['last'])
    assert all(f'second seed {seed}' in text for seed in (0, 1))
    assert staged.run(only=['last']) == 0
    printed = capsys.readouterr().out
    assert 'the others first need: style, first seed 0, copy, second seed 0' in printed
    for seed in (0, 1):
        folder = STAGES / f'stage1_seed{seed}'
        assert (folder / 'iter_20.pth').exists()
        assert json.loads((folder / 'preparation.json').read_text())['finished']
        settings = f'{staged.out}/preparations/first_seed{seed}.settings/stage1.py'
        assert log(staged, f'first_seed{seed}') == (
            f'train {settings} --seed {seed} --work-dir {folder}\n'
        )
        assert f' --seed {seed} ' in log(staged, f'second_seed{seed}')
        run = planned(staged)[seed]
        read = Config.fromfile(run.settings_file)
        assert Path(read.load_from).stat().st_mtime < run.log.stat().st_mtime
    assert '--seed' not in log(staged, 'style') + log(staged, 'copy')
    lines = map(json.loads, (staged.out / 'results.jsonl').read_text().splitlines())
    assert [line['overrides']['load_from'] for line in lines] == [
        str(STAGES) + SECOND.format(seed=seed) for seed in (0, 1)
    ]
    before = {path: path.stat().st_mtime_ns for path in STAGES.rglob('*')}
    assert staged.run(only=['last'], seeds=[1]) == 0
    assert 'first need' not in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in STAGES.rglob('*')} == before


@pytest.mark.slow
def test_a_stage_that_fails_fails_the_run_of_its_seed(staged, capsys):
    staged.configure('staged/stage2', fails_at=15)
    assert staged.run(only=['last'], seeds=[1]) == 1
    printed = capsys.readouterr().out
    assert "last seed 1 failed: needs 'second seed 1', which failed" in printed
    staged.configure('staged/stage2')
    (STAGES / 'stage2_seed1/preparation.json').write_text('{}')
    with pytest.raises(InputError, match=r'stage2_seed1: made with other settings'):
        staged.run(only=['last'], seeds=[1])


@pytest.mark.slow
def test_a_copy_may_be_made_with_each_seed(staged):
    (*others, row) = staged.study.rows
    style, copy, *_ = staged.study.preparations
    row = replace(row, overrides={}, needs=(), per_seed=('style', 'copy'))
    staged.study = replace(
        staged.study, rows=(*others, row), preparations=(style, copy)
    )
    assert staged.run(only=['last'], seeds=[1]) == 0
    assert Path('data/copy_seed1/translation.json').exists()
    assert Path('data/copy_seed1.preparation.json').exists()
    assert (
        log(staged, 'copy_seed1')
        .splitlines()[0]
        .endswith(
            ' work_dirs/staged/style_seed1/iter_20.pth --out data/copy_seed1 --seed 1'
        )
    )
    assert not Path('data/copy').exists()


STUDY = """study = dict(
    name='demo', seeds=[0, 1],
    preparations=[
        dict(name='one', train='x/one.py'),
        dict(name='two', train='x/two.py', needs=['one'],
             overrides={'load_from': 'one_seed{seed}'})],
    rows=[dict(name='a', config='a.py', per_seed=['one', 'two']),
          dict(name='b', config='b.py', needs=['one'])])
"""


def load(tmp_path, text):
    path = tmp_path / 'study.py'
    path.write_text(text)
    return load_study(path)


def test_load_per_seed(tmp_path):
    a, b = load(tmp_path, STUDY).rows
    assert (a.needs, a.per_seed) == ((), ('one', 'two'))
    assert (b.needs, b.per_seed) == (('one',), ())


@pytest.mark.parametrize(
    ('old', 'new', 'message'),
    [
        ("'two'])", "'three'])", "'a' needs an unknown preparation 'three'; choose"),
        (
            "per_seed=['one', 'two']",
            "per_seed='one'",
            r'per_seed is .*; expected a l',
        ),
        (
            "per_seed=['one', 'two']",
            "needs=['one'], per_seed=['one', 'two']",
            "row 'a' has 'one' in needs and in per_seed; remove one",
        ),
        (
            "needs=['one'])])",
            "per_seed=['two'])])",
            "rows 'a' and 'b' share 'two', but only one has one in per_seed; add",
        ),
        (
            "needs=['one'])])",
            "needs=['two'])])",
            r"preparation 'two' has \{seed\} in its overrides, but is made once for",
        ),
        (
            "train='x/two.py'",
            "train='x/one_seed1.py'",
            "'one' and 'two' both write to work_dirs/x/one_seed1; remove one",
        ),
    ],
)
def test_what_does_not_fit_together_is_refused(tmp_path, old, new, message):
    assert old in STUDY
    with pytest.raises(InputError, match=message) as caught:
        load(tmp_path, STUDY.replace(old, new))
    assert '\n' not in str(caught.value)


def test_what_a_stage_needs_once_is_made_without_a_seed(tmp_path):
    seeded = STUDY.replace(
        "train='x/one.py'", "train='x/one.py', overrides={'a': 'b{seed}'}"
    ).replace("per_seed=['one', 'two']", "per_seed=['two']")
    with pytest.raises(InputError, match=r"'one' has \{seed\} in its overrides"):
        load(tmp_path, seeded.replace("b.py', needs=['one']", "b.py'"))


def test_a_row_that_reads_the_stage_of_no_seed_is_refused(staged):
    *others, last = staged.study.rows
    shared = replace(last, overrides={'load_from': f'{STAGES}/stage2/iter_20.pth'})
    staged.study = replace(staged.study, rows=(*others, shared))
    with pytest.raises(InputError, match=r"reads .*stage2, but 'second' is made per"):
        planned(staged)
    sibling = replace(last, overrides={'load_from': f'{STAGES}/stage2_b/iter_20.pth'})
    staged.study = replace(staged.study, rows=(*others, sibling))
    assert len(planned(staged)) == 2
