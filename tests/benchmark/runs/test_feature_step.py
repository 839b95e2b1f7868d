"""Real processes of fake tools: features are collected once, after their run."""

from dataclasses import replace

import pytest

from cfcontra_mm.benchmark import load_study, plan_runs
from cfcontra_mm.errors import InputError


@pytest.fixture
def mapped(fake):
    shared = {'fake.note': 'x'}
    fake.study = replace(fake.study, feature_rows=('method', 'oracle'), shared=shared)
    return fake


def first_seed(fake):
    return {run.row: run for run in plan_runs(fake.study, (0,), fake.out)}


def logs(fake):
    return sorted(
        path.parent.name for path in fake.root.glob('runs/*/features_log.txt')
    )


@pytest.mark.slow
def test_features_of_one_seed_of_the_rows_that_ask_for_them(mapped, capsys):
    assert mapped.run(seeds=[0, 1]) == 0
    runs = first_seed(mapped)
    expected = {runs['method'].work_dir.name, runs['oracle'].work_dir.name}
    assert set(logs(mapped)) == expected
    log = (runs['method'].work_dir / 'features_log.txt').read_text()
    assert log == (
        f'features {runs["method"].work_dir}/features_log.settings/method.py '
        f'{runs["method"].final_checkpoint} --out {runs["method"].features}\n'
    )
    assert 'features of method seed 0: done' in capsys.readouterr().out
    assert mapped.run(seeds=[0, 1]) == 0
    assert (runs['method'].work_dir / 'features_log.txt').read_text() == log


@pytest.mark.slow
def test_a_row_that_shares_its_run_has_features_too(mapped):
    twin = replace(mapped.study.rows[1], name='twin')
    mapped.study = replace(
        mapped.study, rows=(*mapped.study.rows, twin), feature_rows=('twin',)
    )
    assert mapped.run() == 0
    assert logs(mapped) == [first_seed(mapped)['method'].work_dir.name]


@pytest.mark.slow
def test_features_need_weights_that_are_or_will_be_there(mapped, capsys):
    assert mapped.run() == 0
    run = first_seed(mapped)['method']
    run.features.unlink()
    run.final_checkpoint.unlink()  # to save space
    assert mapped.run() == 0
    assert not run.features.exists()


@pytest.mark.slow
def test_a_run_that_fails_has_no_features(mapped, capsys):
    mapped.configure('method', fails_at=5)
    assert mapped.run() == 1
    printed = capsys.readouterr().out
    assert "features of method seed 0 failed: needs 'method seed 0'" in printed
    assert len(logs(mapped)) == 1


def test_rows_without_a_config_have_no_features(tmp_path, fake):
    path = tmp_path / 'study.py'
    path.write_text(
        "study = dict(name='s', seeds=[0], feature_rows=['b'],\n"
        "    rows=[dict(name='a', config='source.py')])\n"
    )
    with pytest.raises(InputError, match="feature_rows 'b' is not a row with a config"):
        load_study(path)
