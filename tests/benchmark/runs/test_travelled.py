"""Results that travel without the folders of their runs."""

import json
import shutil
from dataclasses import replace

import pytest

from cfcontra_mm.benchmark import overview, plan_runs

pytestmark = pytest.mark.slow


@pytest.fixture
def travelled(fake, capsys):
    """A finished study of which only the results are left."""
    fake.study = replace(fake.study, feature_rows=('method',))
    assert fake.run() == 0
    shutil.rmtree(fake.root / 'runs')
    capsys.readouterr()
    return fake


def folders(fake):
    runs = fake.root / 'runs'
    return sorted(path.name for path in runs.glob('[!.]*')) if runs.exists() else []


def results(fake):
    return (fake.out / 'results.jsonl').read_text()


def test_they_are_finished(travelled, capsys):
    before = results(travelled)
    assert travelled.run() == 0
    printed = capsys.readouterr().out
    assert '3 of 3 runs are finished' in printed
    assert 'method' in printed
    assert folders(travelled) == []
    assert results(travelled) == before


def test_the_overview_says_so(travelled):
    text = overview(travelled.study, travelled.out)
    assert text.count(' finished ') == 3
    assert 'Nothing is left to run' in text
    assert '20/20' in text


def test_a_row_that_is_trained_again_is(travelled):
    assert travelled.run(rerun=['method'], only=['method']) == 0
    (name,) = folders(travelled)
    assert name.startswith('method_')
    assert 'new' in overview(travelled.study, travelled.out, rerun=['method'])


def test_other_settings_are_another_run(travelled):
    travelled.configure('method', max_iters=10)
    assert travelled.run() == 0
    (name,) = folders(travelled)
    assert name.startswith('method_')


def test_without_its_pixel_counts_a_run_is_made_again(travelled):
    (run,) = (
        r for r in plan_runs(travelled.study, (0,), travelled.out) if r.row == 'method'
    )
    (travelled.out / 'per_image' / f'{run.work_dir.name}.npz').unlink()
    assert travelled.run() == 0
    assert folders(travelled) == [run.work_dir.name]


def test_an_unfinished_training_goes_on(travelled):
    (run,) = (
        r for r in plan_runs(travelled.study, (0,), travelled.out) if r.row == 'method'
    )
    run.work_dir.mkdir(parents=True)
    (run.work_dir / 'iter_10.pth').touch()
    assert travelled.run() == 0
    assert 'from iter_10.pth' in (run.work_dir / 'log.txt').read_text()


def test_a_failed_run_is_tried_again(travelled):
    lines = [json.loads(line) for line in results(travelled).splitlines()]
    kept = ('row', 'config', 'identity', 'seed')
    failed = {k: lines[1][k] for k in kept} | {'status': 'failed', 'error': 'e'}
    text = ''.join(json.dumps(line) + '\n' for line in [lines[0], failed, lines[2]])
    (travelled.out / 'results.jsonl').write_text(text)
    assert travelled.run() == 0
    assert len(folders(travelled)) == 1
