"""Selections of checkpoints, against ones made by hand."""

import csv
import io
import json
import math
from dataclasses import replace

import pytest

from cfcontra_mm.benchmark import Row, Study, write_tables
from cfcontra_mm.benchmark.results import Result, read_results
from cfcontra_mm.benchmark.tables.selections import (
    BEST,
    compare_selections,
    selection_caption,
    selection_csv,
    selection_latex,
    selection_text,
)

STUDY = Study('demo', rows=(Row('method', 'm.py'), Row('paper')), seeds=(0, 1))


def validation(road, sky, certainty=None):
    values = {'mIoU': (road + sky) / 2, 'IoU.road': road, 'IoU.sky': sky}
    return values if certainty is None else {**values, 'target/certainty': certainty}


def result(*validations):
    return Result('done', validations=dict(enumerate(validations, start=1)))


# The score is highest at the second of seed 0 and at the first of seed 1.
RESULTS = {
    ('method', 0): result(
        validation(10, 20, 0.1), validation(30, 40, 0.9), validation(20, 30, 0.5)
    ),
    ('method', 1): result(
        validation(10, 30, 0.9), validation(40, 60, 0.5), validation(50, 70, 0.1)
    ),
}


def compare(results=RESULTS, study=STUDY, seeds=(0, 1)):
    return compare_selections(study, seeds, results)


def test_each_selection_reports_its_own_checkpoint():
    (row,) = compare()
    assert row.miou == {
        'last': (25.0, 60.0),
        'certainty': (35.0, 20.0),
        BEST: (35.0, 60.0),
    }


def test_rank_correlation_of_each_run():
    (row,) = compare()
    assert row.rank == {'certainty': pytest.approx((1.0, -1.0))}


def test_only_the_classes_of_the_table_count():
    (row,) = compare(study=replace(STUDY, classes=('sky',)))
    assert row.miou['last'] == (30.0, 70.0)


def test_last_is_the_highest_iteration_in_any_order():
    validations = dict(reversed(RESULTS['method', 0].validations.items()))
    backwards = {('method', 0): Result('done', validations=validations)}
    (row,) = compare(backwards, seeds=(0,))
    assert row.miou['last'] == (25.0,)


def test_one_validation_is_nothing_to_choose_from():
    assert compare({**RESULTS, ('method', 1): result(validation(1, 2, 0.3))}) == []
    assert compare({**RESULTS, ('method', 1): Result('failed')}) == []
    assert compare(seeds=(0, 1, 2)) == []


def due(result, **loop):
    """The same result, whose config says when to validate."""
    train_cfg = dict(type='IterBasedTrainLoop', max_iters=3, val_interval=1, **loop)
    settings = dict(train_cfg=train_cfg, val_dataloader=dict(batch_size=1))
    return replace(result, line={'resolved_config': settings})


def test_a_run_that_lacks_a_validation_selects_nothing():
    whole = {key: due(found) for key, found in RESULTS.items()}
    assert compare(whole) == compare()
    found = whole['method', 1]
    rest = {i: v for i, v in found.validations.items() if i != 2}
    rows = compare({**whole, ('method', 1): replace(found, validations=rest)})
    assert [row.missing for row in rows] == [{1: [2]}]
    cells = selection_text(rows, markdown=True).splitlines()[2].split('|')
    assert [cell.strip() for cell in cells[2:-1]] == ['-'] * 10
    assert set(read_csv(rows).values()) == {'method', ''}
    said = '-: a validation that was due is missing: method seed 1 (iteration 2)'
    assert selection_caption(rows).splitlines()[-1] == said
    assert said in selection_latex(rows)
    assert 'missing' not in selection_caption(compare())


def test_a_score_that_a_run_lacks_is_left_out():
    without = result(validation(10, 20), validation(20, 30))
    (row,) = compare({**RESULTS, ('method', 1): without})
    assert list(row.miou) == ['last', BEST]
    assert row.rank == {}
    assert math.isnan(float(read_csv([row])['rank certainty'] or 'nan'))


def test_a_score_that_is_no_number_in_a_run_is_left_out(tmp_path, capsys):
    lines = [line(0), line(1)]
    for values in lines[1]['validations'].values():
        values['target/density'] = 0.5
    for values in lines[1]['validations'].values():
        values['target/certainty'] = None
    text = ''.join(json.dumps(each) + '\n' for each in lines)
    (tmp_path / 'results.jsonl').write_text(text)
    (row,) = compare(read_results(tmp_path / 'results.jsonl'))
    assert list(row.miou) == ['last', BEST]
    write_tables(replace(STUDY, rows=STUDY.rows[:1]), tmp_path)
    assert BEST in capsys.readouterr().out


def test_validations_without_the_score_are_not_chosen():
    some = result(
        validation(10, 20, math.nan), validation(30, 40, 0.5), validation(20, 30)
    )
    (row,) = compare({**RESULTS, ('method', 1): some})
    assert row.miou['certainty'] == (35.0, 35.0)


def read_csv(rows):
    return next(csv.DictReader(io.StringIO(selection_csv(rows))))


def test_tables_show_mean_spread_and_rank():
    rows = compare()
    cells = [
        cell.strip() for cell in selection_text(rows, True).splitlines()[2].split('|')
    ]
    assert cells[1:4] == ['method', '42.5 ± 24.7', '27.5 ± 10.6']
    assert cells[7:9] == ['47.5 ± 17.7', '+0.00']
    assert r'method & 42.5 $\pm$ 24.7 & 27.5 $\pm$ 10.6' in selection_latex(rows)
    assert r'best$\dagger$' in selection_latex(rows)
    assert read_csv(rows)[BEST] == '47.5'
    assert read_csv(rows)['density'] == ''


def test_ranks_that_are_no_number_do_not_hide_the_others():
    flat = result(
        validation(10, 20, 0.1), validation(10, 20, 0.2), validation(10, 20, 0.3)
    )
    (row,) = compare({**RESULTS, ('method', 1): flat})
    assert '+1.00' in selection_text([row])


def line(seed):
    found = RESULTS['method', seed].validations
    return {
        'row': 'method',
        'seed': seed,
        'status': 'done',
        'version': '1.0',
        'metrics': found[3],
        'final': {},
        'per_image': None,
        'validations': {iteration: {**values} for iteration, values in found.items()},
    }


def test_files_of_a_study_hold_the_selections(tmp_path, capsys):
    text = ''.join(json.dumps(line(seed)) + '\n' for seed in (0, 1))
    (tmp_path / 'results.jsonl').write_text(text)
    assert read_results(tmp_path / 'results.jsonl')['method', 0].validations == (
        RESULTS['method', 0].validations
    )
    study = replace(STUDY, rows=STUDY.rows[:1])
    write_tables(study, tmp_path)
    assert BEST in capsys.readouterr().out
    assert BEST in (tmp_path / 'table.md').read_text()
    assert (tmp_path / 'table.tex').read_text().count(r'\begin{tabular}') == 2
    assert (tmp_path / 'selection.csv').read_text().startswith('method,last,certainty')
