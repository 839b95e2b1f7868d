"""What the trials choose: on results as they are, and on runs of fake tools."""

import csv
import json
from dataclasses import replace

import pytest

from cfcontra_mm.benchmark import (
    Development,
    Row,
    Study,
    run_with_trials,
    search_overview,
    with_choices,
    write_search,
    write_tables,
)
from cfcontra_mm.benchmark.runs import main
from cfcontra_mm.benchmark.search.choose import read_trials
from cfcontra_mm.benchmark.study.search import with_derived_rows, with_trials
from cfcontra_mm.errors import InputError

TUNED = 'method, tuned (4 trials)'
UNLABELLED = 'method, selected without labels (4 trials)'
SCORE = 'target/information'
KEY = 'fake.metrics.mIoU'


@pytest.fixture
def searched(fake):
    """A study whose searched setting happens to be the result, and its trials."""
    development = Development('elsewhere', 4, 7, SCORE)
    row = Row('method', str(fake.root / 'method.py'), search={KEY: (10.0, 90.0)})
    source = Row('source', str(fake.root / 'source.py'))
    study = Study('fake', (source, row), (0,), development=development)
    trials = Study('fake_development', (row,), (7,))
    return with_derived_rows(study, fake.root), with_trials(trials, development)


def write_lines(fake, trials, figures):
    """Write results of the trials: mIoU and label-free score, None for no result."""
    folder = fake.root / 'out_development'
    folder.mkdir(exist_ok=True)
    lines = []
    for row, figure in zip(trials.rows, figures, strict=True):
        line = dict(row=row.name, seed=7, overrides=trials.overrides(row))
        if figure == 'failed':
            lines.append(line | dict(status='failed', error='x', identity='y'))
        elif figure is not None:
            miou, score = figure
            last = {SCORE: score, 'mIoU': 1.0}
            first = {SCORE: 9.0, 'mIoU': 99.0}
            found = dict(metrics=dict(mIoU=miou), final={}, version='1')
            found['validations'] = {'100': first, '400': last}
            lines.append(line | found | dict(status='done'))
    text = ''.join(json.dumps(line) + '\n' for line in lines)
    (folder / 'results.jsonl').write_text(text)


def chosen(study):
    found = {row.name: row for row in study.rows}
    return found[TUNED].trial, found[UNLABELLED].trial


@pytest.mark.parametrize(
    ('figures', 'expected'),
    [
        ([(20, 0.1), (30, 0.4), (40, 0.3), (10, 0.2)], (2, 1)),
        ([(40, 0.4), (40, 0.4), (40, 0.4), (10, 0.2)], (0, 0)),  # ties: the earlier
        ([(20, 0.1), (30, 0.4), None, (10, 0.2)], (None, None)),
        ([(20, 0.1), (30, 0.4), 'failed', (10, 0.2)], (1, 1)),
        ([(20, None), (30, None), (None, 0.1), (10, 0.2)], (1, 3)),
        ([(20, None), (30, None), (40, None), (50, None)], (3, None)),
        (['failed'] * 4, (None, None)),
    ],
)
def test_the_best_of_all_trials_is_chosen(fake, searched, figures, expected):
    study, trials = searched
    write_lines(fake, trials, figures)
    found = with_choices(study, trials, fake.out)
    assert chosen(found) == expected
    tuned = next(row for row in found.rows if row.name == TUNED)
    if expected[0] is None:
        assert tuned.is_open
    else:
        # The settings of that trial, on the pair of the table.
        assert tuned.overrides == trials.rows[expected[0]].overrides
        assert tuned in found.planned()


def test_without_results_the_rows_stay_open(fake, searched):
    study, trials = searched
    assert with_choices(study, trials, fake.out) == study
    assert with_choices(study, None, fake.out) == study


def test_results_of_other_settings_choose_nothing(fake, searched):
    study, trials = searched
    write_lines(fake, trials, [(20, 0.1), (30, 0.4), (40, 0.3), (10, 0.2)])
    other = replace(trials, shared={'train_cfg.max_iters': 30})
    assert chosen(with_choices(study, other, fake.out)) == (None, None)
    statuses = [trial.status for trial in read_trials(study, other, fake.out)]
    assert statuses == ['not run'] * 4


def test_results_of_other_code_choose_nothing_if_it_is_known(fake, searched):
    study, trials = searched
    write_lines(fake, trials, [(20, 0.1), (30, 0.4), (40, 0.3), (10, 0.2)])
    hashes = {(row.name, 7): 'a' for row in trials.rows}
    path = fake.root / 'out_development' / 'results.jsonl'
    lines = [json.loads(line) | dict(identity='a') for line in path.open()]
    path.write_text(''.join(json.dumps(line) + '\n' for line in lines))
    assert chosen(with_choices(study, trials, fake.out, hashes)) == (2, 1)
    hashes[trials.rows[3].name, 7] = 'b'
    assert chosen(with_choices(study, trials, fake.out, hashes)) == (None, None)
    # Before a run, all are planned.
    assert 'after its trials' in search_overview(study, trials, fake.out)


def test_trials_and_choices_are_written(fake, searched, capsys):
    study, trials = searched
    write_lines(fake, trials, [(20, 0.1), (30, 0.4), 'failed', (31.25, 0.2)])
    found = with_choices(study, trials, fake.out)
    write_search(found, trials, fake.out)
    lines = list(csv.DictReader((fake.out / 'search.csv').open()))
    assert lines[0]['settings'] == 'published'
    value = trials.rows[1].overrides[KEY]
    assert lines[1]['settings'] == f'{KEY} = {value:g}'
    assert [line['development mIoU'] for line in lines] == [
        *('20.00', '30.00'),
        *('failed', '31.25'),
    ]
    assert [line[SCORE] for line in lines] == ['0.1000', '0.4000', 'failed', '0.2000']
    assert [line['chosen by'] for line in lines] == ['', SCORE, '', 'mIoU']
    markdown = (fake.out / 'search.md').read_text().splitlines()
    assert len(markdown) == 8
    assert f'without labels: by {SCORE} on those images, which are the' in markdown[7]
    assert markdown[0].split('|')[1].strip() == 'method'


def test_an_unknown_score_is_refused_before_any_trial(fake, searched):
    study, trials = searched
    wrong = replace(study.development, label_free='target/informatoin')
    study = replace(study, development=wrong)
    for act in (
        lambda: run_with_trials(study, trials, fake.out, fake.tools),
        lambda: search_overview(study, trials, fake.out),
    ):
        with pytest.raises(InputError, match="unknown score 'target/informatoin'; ch"):
            act()
    assert not (fake.root / 'runs').exists()


def test_an_unknown_row_is_refused_before_any_trial(fake, searched):
    with pytest.raises(InputError, match='--only nope: no such row'):
        run_with_trials(*searched, fake.out, fake.tools, only=[TUNED, 'nope'])
    assert not (fake.root / 'runs').exists()


def mious(fake):
    rows = csv.DictReader((fake.out / 'table.csv').open())
    return {row['method']: row['mIoU'] for row in rows}


def logs(fake):
    return sorted(path.parent.name for path in fake.root.glob('runs/*/log.txt'))


@pytest.mark.slow
def test_trials_are_run_first_and_choose_the_row(fake, searched):
    study, trials = searched
    listed = search_overview(study, trials, fake.out)
    assert listed.count(', trial ') == 4
    assert 'after its trials' in listed
    study, status = run_with_trials(*searched, fake.out, fake.tools, only=[TUNED])
    assert status == 0
    # Trials and that row alone, whose settings are one of the trials'.
    best = max([26.0, *(row.overrides[KEY] for row in trials.rows[1:])])
    assert {name: value for name, value in mious(fake).items() if value} == {
        TUNED: f'{best:g}'
    }
    begun = logs(fake)
    assert len([name for name in begun if name.startswith('source')]) == 0
    study, status = run_with_trials(*searched, fake.out, fake.tools)
    assert status == 0
    assert mious(fake)['source'] == '20'
    assert mious(fake)['method'] == '26'
    assert mious(fake)[UNLABELLED] == ''  # the fake tools have no such score
    assert set(begun) < set(logs(fake))
    before = {
        path: path.stat().st_mtime_ns for path in fake.root.glob('runs/*/log.txt')
    }
    assert run_with_trials(*searched, fake.out, fake.tools)[1] == 0
    assert before == {path: path.stat().st_mtime_ns for path in before}
    again = with_choices(searched[0], trials, fake.out)
    write_tables(again, fake.out)
    assert mious(fake)[TUNED] == f'{best:g}'


@pytest.mark.slow
def test_a_row_is_not_run_while_its_trials_are_missing(fake, searched, capsys):
    assert run_with_trials(*searched, fake.out, fake.tools)[1] == 0
    (fake.root / 'out_development/results.jsonl').unlink()
    open_again = with_choices(*searched, fake.out)
    write_tables(open_again, fake.out)
    assert mious(fake)[TUNED] == ''
    assert mious(fake)['method'] == '26'


@pytest.mark.slow
def test_a_stopped_search_goes_on(fake, searched, monkeypatch):
    study, trials = searched
    run_study = main._run_all

    def stop(*arguments):
        run_study(*arguments)
        return [], 130

    monkeypatch.setattr(main, '_run_all', stop)
    found, status = run_with_trials(study, trials, fake.out, fake.tools)
    assert status == 130
    assert found == study
    assert not (fake.out / 'results.jsonl').exists()
    done = logs(fake)
    monkeypatch.setattr(main, '_run_all', run_study)
    found, status = run_with_trials(study, trials, fake.out, fake.tools)
    assert status == 0
    assert set(done) < set(logs(fake))
    assert not next(row for row in found.rows if row.name == TUNED).is_open
