"""Every number against one worked out by hand."""

import csv
import io
import math
from dataclasses import replace

import numpy as np
import pytest

from cfcontra_mm.benchmark import Column, Development, Row, Study
from cfcontra_mm.benchmark.results import Result
from cfcontra_mm.benchmark.study import TunedRow
from cfcontra_mm.benchmark.tables import summary
from cfcontra_mm.benchmark.tables.comparisons import ImageTest
from cfcontra_mm.benchmark.tables.formats import (
    Table,
    csv_table,
    latex,
    latex_table,
    markdown_table,
    text_table,
)
from cfcontra_mm.benchmark.tables.statistics import Interval
from cfcontra_mm.benchmark.tables.summary import Difference, summarize
from cfcontra_mm.errors import InputError

STUDY = Study(
    name='demo',
    rows=(Row('source', 's.py'), Row('method', 'm.py'), Row('oracle', 'o.py')),
    baseline='source',
    oracle='oracle',
    seeds=(0,),
)
# (road, sidewalk) of every row and seed; mIoU is their mean.
IOUS = {
    ('source', 0): (30.0, 10.0),
    ('source', 1): (34.0, 14.0),
    ('method', 0): (40.0, 20.0),
    ('method', 1): (45.0, 23.0),
    ('oracle', 0): (60.0, 40.0),
    ('oracle', 1): (66.0, 46.0),
}


def result(road, sidewalk, **changes):
    metrics = {
        'mIoU': (road + sidewalk) / 2,
        'IoU.road': road,
        'IoU.sidewalk': sidewalk,
    }
    return Result('done', version='1.0', metrics=metrics, **changes)


def results(without=(), failed=()):
    found = {key: result(*ious) for key, ious in IOUS.items() if key not in without}
    return found | {key: Result('failed') for key in failed}


def make_table(seeds, found=None, study=STUDY):
    found = results() if found is None else found
    return Table(study, seeds, summarize(study, seeds, found))


def summaries(seeds, **arguments):
    return make_table(seeds, results(**arguments)).rows


def test_one_seed():
    source, method, oracle = summaries([0])
    assert (source.gain, source.gap_closed) == (0.0, 0.0)
    assert (method.miou, method.std, method.interval) == (30.0, None, None)
    assert method.gain == 10.0
    assert method.gap_closed == pytest.approx(100 * 10 / 30)
    assert (oracle.gain, oracle.gap_closed) == (30.0, 100.0)


def test_two_seeds():
    _, method, _ = summaries([0, 1])
    assert method.by_seed == (30.0, 34.0)
    assert method.miou == 32.0
    assert method.std == pytest.approx(math.sqrt(8))  # (2^2 + 2^2) / (2 - 1)
    # 12.706205 is the quantile of one degree of freedom.
    assert method.interval == pytest.approx((32 - 2 * 12.706205, 32 + 2 * 12.706205))
    assert method.class_ious == {'road': 42.5, 'sidewalk': 21.5}
    assert method.gain == 10.0  # 32 - (20 + 24) / 2
    assert method.gap_closed == pytest.approx(100 * 10 / 31)


def test_a_failed_seed_leaves_no_means():
    table = make_table([0, 1], results(failed=[('method', 1)]))
    method = table.rows[1]
    assert (method.status, method.by_seed) == ('failed', (30.0, 'failed'))
    assert (method.miou, method.gain) == (None, None)
    assert table.rows[2].gap_closed == 100.0
    assert '30.0, failed' in text_table(table)


def test_without_baseline_or_oracle_no_comparison():
    rows = summaries([0], without=[('source', 0)])
    assert rows[0].status == 'not run'
    assert [row.gain for row in rows] == [None] * 3
    rows = summaries([0], without=[('oracle', 0)])
    assert (rows[1].gain, rows[1].gap_closed) == (10.0, None)
    alone = replace(STUDY, baseline=None, oracle=None)
    assert 'gain' not in markdown_table(make_table([0], study=alone))


def test_no_gap_is_not_divided_by():
    rows = make_table([0], {(name, 0): result(30, 10) for name in STUDY.row_names()})
    assert [row.gap_closed for row in rows.rows] == [None] * 3


TESTED = replace(STUDY, reference='source')
# Half of the interval over two seeds of a difference that is always the same: 12.706205
# is the quantile, and both figures are rounded to 0.01.
LEAST = 12.706205 * 0.01 / math.sqrt(12)


def test_differences_are_paired_by_seed():
    source, method, _ = make_table([0, 1], study=TESTED).rows
    assert source.difference is None
    assert method.difference.mean == 10.0
    assert method.difference.over_seeds == pytest.approx((10 - LEAST, 10 + LEAST))
    assert method.difference.p_over_seeds == pytest.approx(0.000183, abs=1e-6)
    assert not method.difference.significant
    one = make_table([0], study=TESTED).rows[1]
    assert one.difference == Difference(10.0, None)


def counted(tmp_path, row, seed, hits):
    path = tmp_path / f'{row}_{seed}.npz'
    hits = np.array(hits)
    np.savez(
        path,
        names=[f'street {index}' for index in range(len(hits))],
        classes=['road', 'sidewalk'],
        intersection=hits,
        union=np.full_like(hits, 100),
    )
    return path


def on_images(tmp_path, images=2, leads=(0, 10, 30)):
    """Results whose rows lead by so many points in every image."""
    found = {}
    for (row, seed), ious in IOUS.items():
        lead = dict(zip(STUDY.row_names(), leads, strict=True))[row]
        hits = [[20 + lead, 20 + lead], [30 + lead + seed, 10 + lead]] * (images // 2)
        counts = counted(tmp_path, row, seed, hits)
        found[row, seed] = result(*ious, per_image=counts)
    return found


def test_differences_are_tested_on_images(tmp_path):
    found = on_images(tmp_path)
    _, method, _ = make_table([0, 1], found, TESTED).rows
    difference = method.difference
    assert difference.over_images.interval == pytest.approx((10.0, 10.0))
    assert difference.over_images.blocks == 2
    assert difference.over_images.p_value == pytest.approx(0.5)  # four swaps
    assert difference.p_adjusted == 1.0
    assert not difference.significant
    del found['method', 1]
    _, method, _ = make_table([0, 1], found, TESTED).rows
    assert method.difference is None
    found = {k: replace(r, per_image=None) if k[1] else r for k, r in found.items()}
    oracle = make_table([0, 1], found, TESTED).rows[2]
    assert (oracle.difference.over_images, oracle.difference.p_adjusted) == (None, None)


def test_p_values_are_adjusted_for_the_rows_of_the_table(tmp_path):
    found = on_images(tmp_path, images=8)
    table = make_table([0, 1], found, TESTED)
    tested = {row.name: row.difference for row in table.rows}
    # All eight images are on one side: two of 256 swaps.
    raw = [tested[name].over_images.p_value for name in ('method', 'oracle')]
    assert raw == [pytest.approx(2 / 256)] * 2
    assert tested['method'].p_adjusted == pytest.approx(2 * 2 / 256)
    assert replace(tested['method'], seeds=3).significant
    assert not tested['method'].significant  # of two seeds
    row = list(csv.DictReader(io.StringIO(csv_table(table))))[1]
    assert (row['p over images'], row['blocks']) == ('0.0078125', '8')
    assert row['p (Holm)'] == '0.015625'


def test_a_row_that_shares_its_runs_with_the_reference_is_no_test(tmp_path):
    table = make_table([0, 1], on_images(tmp_path, 8, leads=(0, 0, 30)), TESTED)
    _, method, oracle = (row.difference for row in table.rows)
    assert (method.over_images.interval, method.p_adjusted) == ((0, 0), None)
    assert oracle.over_images.p_value == pytest.approx(2 / 256)
    # The larger one: over two seeds.
    assert oracle.p_adjusted == oracle.p_over_seeds > 2 / 256
    assert 'over seeds (paired t-test)\n' in table.caption()
    assert 'adjusted for' not in table.caption()
    alone = make_table([0, 1], on_images(tmp_path, 8, leads=(0, 0, 0)), TESTED)
    assert 'p (Holm):' not in alone.caption()


@pytest.mark.parametrize('given', [None, 4])
def test_all_rows_are_tested_on_the_same_blocks(tmp_path, given):
    found = {}
    drift = np.repeat([0, 6], 20)  # the oracle's lead has two halves
    for (row, seed), ious in IOUS.items():
        lead = {'source': 0 * drift, 'method': 0 * drift + 5, 'oracle': drift}[row]
        hits = np.stack([40 + lead, 20 + lead], axis=1)
        counts = counted(tmp_path, row, seed, hits)
        found[row, seed] = result(*ious, per_image=counts)
    study = replace(TESTED, block_length=given)
    table = make_table([0, 1], found, study)
    tests = [row.difference.over_images for row in table.rows if row.difference]
    length = given or 40 // 6
    assert {test.block_length for test in tests} == {length}
    blocks = round(40 / length)
    assert {test.blocks for test in tests} == {blocks}
    assert f'over {blocks} jackknifed blocks of {length} ' in table.caption()
    # Seven blocks have 128 swaps, and two rows are tested: 2 * 2 / 128 is below 0.05.
    assert 'it cannot be below' not in table.caption()


def test_what_few_blocks_can_show_is_said(tmp_path):
    study = replace(TESTED, block_length=2)
    caption = make_table([0, 1], on_images(tmp_path, 8), study).caption()
    # Four blocks have 16 swaps, and two rows are tested: 2 * 2 / 16.
    assert 'adjusted for 2 rows; it cannot be below 0.25' in caption


def test_one_seed_is_not_explained_by_seeds(tmp_path):
    table = make_table([0], on_images(tmp_path, 8), TESTED)
    for caption in (table.caption(), table.short_caption()):
        assert 'seeds' not in caption
        assert '*' not in caption
    assert 'p (Holm): p over images (paired permutation test), adj' in table.caption()
    assert 'Δ with 95 % CI over images' in table.short_caption()


@pytest.mark.parametrize(
    ('over_seeds', 'over_images', 'p_value', 'seeds', 'significant'),
    [
        ((0.1, 2), (0.1, 2), 0.04, 5, True),
        ((-2, -0.1), (-2, -0.1), 0.04, 5, True),
        ((-0.1, 2), (0.1, 2), 0.04, 5, False),
        ((0.1, 2), (-0.1, 2), 0.04, 5, False),
        ((0.1, 2), (0.1, 2), 0.05, 5, False),
        # Fewer seeds: the nearer end is half the width or more away from zero.
        ((0.1, 2), (0.1, 2), 0.04, 4, False),
        ((1.1, 3.2), (0.1, 2), 0.04, 4, True),
        ((1.0, 3.2), (0.1, 2), 0.04, 4, False),
        ((-3.2, -1.1), (-2, -0.1), 0.04, 3, True),
        ((-3.2, -1.0), (-2, -0.1), 0.04, 3, False),
        ((8.1, 8.2), (2, 3), 0.001, 2, False),
        (None, (0.1, 2), 0.04, 1, False),
        ((0.1, 2), None, None, 5, False),
        ((0.1, 2), (0.1, 2), None, 5, False),
    ],
)
def test_a_mark_needs_images_and_seeds(
    over_seeds, over_images, p_value, seeds, significant
):
    test = over_images and ImageTest(Interval(*over_images), 0.0, 1, 9)
    interval = over_seeds and Interval(*over_seeds)
    found = Difference(1.0, interval, test, p_value, seeds)
    assert found.significant is significant


def test_a_difference_on_paper(monkeypatch):
    test = ImageTest(Interval(9.04, 11.0), 0.0041, 5, 20)
    tested = Difference(10.0, Interval(8.0, 12.0), test, 0.0123, seeds=3)
    monkeypatch.setattr(summary, '_differences', lambda *_: {'method': tested})
    found = results() | {(name, 2): found for (name, _), found in results().items()}
    table = make_table([0, 1, 2], found, TESTED)
    heading, _, source, method, _ = rows_of(markdown_table(table))
    assert heading[6:] == [
        *('Δ source', '95 % CI over images', '95 % CI over seeds'),
        *('p (Holm)', 'mIoU by seed'),
    ]
    assert method[6:10] == ['+10.0*', '[+9.0, +11.0]', '[+8.0, +12.0]', '0.012']
    assert source[6:10] == ['-'] * 4
    caption = table.caption()
    assert '*: significant over images and seeds' in caption
    assert 'fewer than 5 seeds' in caption
    assert 't-interval over 20 jackknifed blocks of 5 neighbouring images' in caption
    row = list(csv.DictReader(io.StringIO(csv_table(table))))[1]
    assert (row['over images low'], row['over seeds high']) == ('9.04', '12')
    assert (row['p over images'], row['p (Holm)']) == ('0.0041', '0.0123')
    assert row['significant'] == '1'


def test_the_short_table_is_explained_in_words_of_the_field():
    found = results() | {(name, 2): found for (name, _), found in results().items()}
    table = make_table([0, 1, 2], found, TESTED)
    assert table.short_caption().splitlines() == [
        'mIoU in percent; mean ± std over 3 seeds; Δ with 95 % CI; * significant over '
        'images and seeds',
        'mIoU under running statistics',
    ]
    two = make_table([0, 1], study=TESTED)
    assert 'significant' not in two.caption() + two.short_caption()
    assert make_table([0]).short_caption().splitlines()[0] == 'mIoU in percent'


def test_plus_minus_is_the_standard_deviation_over_seeds_alone(tmp_path):
    table = make_table([0, 1], on_images(tmp_path, 8), TESTED)
    heading, _, *rows = rows_of(markdown_table(table))
    columns = dict(zip(heading, zip(*rows, strict=True), strict=True))
    assert [name for name in columns if '±' in ''.join(columns[name])] == ['mIoU']
    assert '±' not in ''.join(heading)


def rows_of(markdown):
    lines = markdown.splitlines()
    return [[cell.strip() for cell in line.strip('|').split('|')] for line in lines]


def test_markdown():
    cells = rows_of(markdown_table(make_table([0])))
    assert cells[0] == ['method', 'road', 'sidewalk', 'mIoU', 'gain', 'gap closed']
    assert cells[2] == ['source', '30.0', '10.0', '20.0', '+0.0', '0 %']
    assert cells[3] == ['method', '40.0', '20.0', '30.0', '+10.0', '33 %']


def test_published_figures_stand_beside_ours_and_alone():
    study = replace(
        STUDY,
        rows=(*STUDY.rows, Row('DCAN')),
        columns=(Column('acc', 'pseudo_acc'),),
        published={
            'method': {'mIoU': 45.8, 'road': 89.7, 'acc': '+5 %'},
            'DCAN': {'mIoU': 41.7},
        },
    )
    table = make_table([0, 1], study=study)
    assert [row.name for row in table.rows] == [
        *('source', 'method', 'method'),
        *('oracle', 'DCAN'),
    ]
    cells = rows_of(markdown_table(table))
    assert cells[4] == [
        *('method (published)', '89.7', '-', '45.8', '-', '-', '-', '+5 %', '-'),
    ]
    assert cells[6][0] == 'DCAN (published)'
    assert 'not measured here' in table.caption()
    assert 'published' not in make_table([0]).caption()
    rows = list(csv.DictReader(io.StringIO(csv_table(table))))
    assert [row['status'] for row in rows[1:3]] == ['done', 'published']
    # A spreadsheet would else take it for a formula.
    assert (rows[2]['acc'], rows[2]['mIoU seed 0']) == ("'+5 %", '')


def test_the_interval_over_seeds_stands_in_the_whole_table():
    table = make_table([0, 1])
    heading, _, _, method, _ = rows_of(markdown_table(table))
    # 12.706 is the quantile of one degree; the seeds have 30 and 34.
    assert method[heading.index('mIoU 95 %')] == '[6.6, 57.4]'
    assert 'mIoU 95 %: t-interval over seeds' in table.caption()
    assert 'mIoU 95 %' not in markdown_table(table, classes=False)
    assert 'mIoU 95 %' not in markdown_table(make_table([0]))


def test_further_columns_come_from_the_test_or_the_training():
    columns = (Column('acc', 'pseudo_acc'), Column('CE', 'loss_ce', 10.0, digits=3))
    study = replace(STUDY, columns=columns)
    found = results()
    for seed, loss in ((0, 0.01), (1, 0.03)):
        plain = found['method', seed]
        metrics = {**plain.metrics, 'pseudo_acc': 60.0 + seed}
        found['method', seed] = replace(plain, metrics=metrics, final={'loss_ce': loss})
    table = make_table([0, 1], found, study)
    assert table.rows[1].columns == {'acc': 60.5, 'CE': pytest.approx(0.2)}
    cells = rows_of(markdown_table(table))
    assert cells[3][7:9] == ['60.5', '0.200']
    assert cells[2][7:9] == ['-', '-']


def test_the_studys_classes_make_the_columns_and_the_mean():
    table = make_table([0, 1], study=replace(STUDY, classes=('sidewalk',)))
    assert table.class_names() == ['sidewalk']
    assert table.rows[1].by_seed == (20.0, 23.0)
    assert table.rows[1].class_ious == {'sidewalk': 21.5}


def test_a_column_may_be_the_mean_of_some_classes():
    column = Column('mIoU1', classes=['sidewalk'])
    table = make_table([0, 1], study=replace(STUDY, columns=(column,)))
    assert table.rows[1].columns == {'mIoU1': 21.5}


@pytest.mark.parametrize(
    'field', [{'classes': ('car',)}, {'columns': (Column('m', classes=['car']),)}]
)
def test_a_class_that_the_test_has_not_is_named(field):
    with pytest.raises(InputError, match=r"classes: 'car' is not a class of the test"):
        make_table([0], study=replace(STUDY, **field))


def test_versions_are_named_with_their_rows_if_they_differ():
    found = results()
    assert '; cfcontra_mm 1.0\n' in make_table([0], found).caption() + '\n'
    found['method', 0] = replace(found['method', 0], version='1.1')
    caption = make_table([0], found).caption()
    assert '; cfcontra_mm 1.0 (source, oracle), 1.1 (method)' in caption
    assert 'cfcontra_mm' not in make_table([0], {}).caption()


def test_text_lists_every_seed():
    text = text_table(make_table([0, 1]))
    assert 'side.' in text
    assert '32.0 ± 2.8' in text
    assert '30.0, 34.0' in text


def test_classes_that_begin_alike_keep_a_column_each():
    names = ('building', 'building_roof', 'building_wall', 'sidewalk', 'lawnmower')
    ious = {f'IoU.{name}': 10.0 * index for index, name in enumerate(names)}
    found = {
        (row, 0): Result('done', metrics={'mIoU': 20.0, **ious})
        for row in STUDY.row_names()
    }
    lines = text_table(make_table([0], found)).splitlines()
    heading, first = (
        [cell.strip() for cell in line.strip('|').split('|')]
        for line in (lines[1], lines[3])
    )
    assert heading[1:6] == [
        'build.',
        'building_roof',
        'building_wall',
        'side.',
        'lawnmo',
    ]
    assert first[1:6] == ['0.0', '10.0', '20.0', '30.0', '40.0']


def test_latex():
    text = latex_table(make_table([0, 1]))
    lines = text.splitlines()
    assert lines[0].startswith('%')
    begin = lines.index(r'\begin{tabular}{l*{7}{r}}')
    assert lines[begin + 1 : begin + 4 : 2] == [r'\toprule', r'\midrule']
    assert r'\rotatebox{90}{sidewalk} & mIoU' in lines[begin + 2]
    assert lines[begin + 5] == (
        r'method & 42.5 & 21.5 & 32.0 $\pm$ 2.8 & [6.6, 57.4] & +10.0 & 32 \% '
        r'& 30.0, 34.0 \\'
    )
    assert lines[-2:] == [r'\bottomrule', r'\end{tabular}']


@pytest.mark.parametrize(
    ('plain', 'escaped'),
    [
        ('<0.001', '$<$0.001'),
        ('a > b | c', 'a $>$ b $|$ c'),
        (r'50 % of #1 & $x_y$', r'50 \% of \#1 \& \$x\_y\$'),
        ('2^{10}~', r'2\textasciicircum{}\{10\}\textasciitilde{}'),
        (r'a\b', r'a\textbackslash{}b'),
        ('best† ± 1', r'best$\dagger$ $\pm$ 1'),
    ],
)
def test_latex_prints_the_text_as_it_is(plain, escaped):
    assert latex(plain) == escaped


def test_csv():
    found = results(failed=[('oracle', 0)])
    text = csv_table(make_table([0, 1], found))
    rows = {row['method']: row for row in csv.DictReader(io.StringIO(text))}
    method = {key: value for key, value in rows['method'].items() if value}
    assert method == {
        'method': 'method',
        'status': 'done',
        'road': '42.5',
        'sidewalk': '21.5',
        'mIoU': '32',
        'mIoU std': '2.82843',
        'mIoU t low': '6.58759',
        'mIoU t high': '57.4124',
        'running statistics': '32',
        'running statistics std': '2.82843',
        'gain': '10',
        'mIoU seed 0': '30',
        'mIoU seed 1': '34',
        'statistics': 'running statistics',
        'version': '1.0',
    }
    assert rows['oracle']['status'] == 'failed'
    assert rows['oracle']['mIoU seed 0'] == 'failed'
    assert rows['oracle']['mIoU seed 1'] == '56'


def test_all_failed_is_still_a_table():
    table = make_table([0], results(without=IOUS, failed=IOUS))
    assert text_table(table).count('failed') == 3
    assert latex_table(table).count('failed') == 3
    assert csv_table(table).count(',failed') == 6  # the row, and its seed


def test_a_class_without_pixels_is_nan():
    metrics = {'mIoU': 30.0, 'IoU.road': 30.0, 'IoU.train': math.nan}
    found = {(name, 0): Result('done', metrics=metrics) for name in STUDY.row_names()}
    table = make_table([0], found)
    assert markdown_table(table).splitlines()[2].split()[5] == 'nan'
    assert csv_table(table).splitlines()[1].startswith('source,done,30,nan,30')
    both = replace(STUDY, classes=('road', 'train'))
    assert make_table([0], found, both).rows[0].miou == 30.0


def test_nineteen_classes_fit_a_wide_terminal():
    from mmseg.datasets import CityscapesDataset

    names = CityscapesDataset.METAINFO['classes']
    metrics = {'mIoU': 10.0, **{f'IoU.{name}': 10.0 for name in names}}
    found = {(row, 0): Result('done', metrics=metrics) for row in STUDY.row_names()}
    text = text_table(make_table([0], found))
    assert max(map(len, text.splitlines())) <= 170
    heading = text.splitlines()[1]
    assert len(set(heading.strip('|').split('|'))) == 1 + len(names) + 3


NAN = math.nan


@pytest.mark.parametrize('seeds', [[0], [0, 1]])
def test_nan_is_shown_as_such_everywhere(seeds):
    found = results()
    found['method', 0] = result(NAN, 20.0, final={'loss': NAN})
    columns = (Column('loss', 'loss'), Column('absent', 'nothing'))
    study = replace(STUDY, reference='oracle', columns=columns)
    table = make_table(seeds, found, study)
    heading, _, _, cells, _ = rows_of(markdown_table(table))
    shown = dict(zip(heading, cells, strict=True))
    spread = ' ± nan' if len(seeds) > 1 else ''
    assert (shown['road'], shown['gain']) == ('nan', 'nan')
    assert shown['mIoU'] == f'nan{spread}'
    assert (shown['sidewalk'], shown['absent']) == ('21.5' if spread else '20.0', '-')
    assert shown['Δ oracle'] == 'nan'
    assert shown['loss'] == ('-' if spread else 'nan')  # the other seed logged none
    row = list(csv.DictReader(io.StringIO(csv_table(table))))[1]
    assert (row['mIoU'], row['road'], row['gain']) == ('nan', 'nan', 'nan')
    assert row['absent'] == ''
    assert 'nan' in text_table(table)
    assert 'nan' in latex_table(table)


def test_a_class_that_a_seed_lacks_is_absent():
    found = results()
    metrics = {'mIoU': 40.0, 'IoU.road': 40.0}
    found['method', 1] = replace(found['method', 1], metrics=metrics)
    method = make_table([0, 1], found).rows[1]
    assert method.class_ious == {'road': 40.0, 'sidewalk': None}
    cells = rows_of(markdown_table(make_table([0, 1], found)))
    assert cells[3][1:3] == ['40.0', '-']


def test_a_study_of_classes_without_pixels_has_no_mean():
    metrics = {'mIoU': 30.0, 'IoU.road': 30.0, 'IoU.train': NAN}
    found = {(name, 0): Result('done', metrics=metrics) for name in STUDY.row_names()}
    rows = make_table([0], found, replace(STUDY, classes=('train',))).rows
    assert [str(row.miou) for row in rows] == ['nan'] * 3


def noted(lines, seeds=(0, 1), study=STUDY):
    """Notes of a table whose results have these fields in addition."""
    found = {
        key: replace(found, line=lines.get(key, lines.get(None, {})))
        for key, found in results().items()
    }
    return make_table(list(seeds), found, study)


def git(commit, dirty=False):
    return {'git': {'commit': commit, 'dirty': dirty}}


@pytest.mark.parametrize(
    ('lines', 'note'),
    [
        ({None: {'max_iters': 400} | git('a')}, None),
        (
            {None: {'max_iters': 400}, ('method', 1): {'max_iters': 4000}},
            'not trained for the same number of iterations: 400 (source, method seed '
            '0, oracle); 4000 (method seed 1)',
        ),
        (
            {None: {'max_iters': 400}, ('method', 0): {}, ('method', 1): {}},
            'not trained for the same number of iterations: 400 (source, oracle); '
            'unknown (method)',
        ),
        # Rows may be of different commits, if each is of one.
        ({None: git('a'), ('method', 0): git('b'), ('method', 1): git('b')}, None),
        (
            {None: git('a'), ('method', 1): git('b', dirty=True)},
            'seeds of a row are of different commits: a (method seed 0); b+ (method '
            'seed 1)',
        ),
        ({None: git('a'), ('method', 1): {'git': None}}, None),
        (
            {None: {'overrides': {}}, ('oracle', 0): {'overrides': {'x': 1}}},
            'made with other overrides than the study has now: oracle',
        ),
    ],
)
def test_what_was_not_made_alike_is_noted(lines, note):
    table = noted(lines)
    assert table.notes() == ([note] if note else [])
    assert (note or '') in table.caption()


def shares(**largest):
    return {'loss_shares': largest}


def test_terms_that_do_nothing_are_marked():
    lines = {
        ('method', 0): shares(entropy=0.04, contrast=1.0),
        ('method', 1): shares(entropy=0.05, contrast=0.2),
        ('oracle', 0): shares(ce=0.3),
    }
    table = noted(lines)
    # The contrast has 1 % in one seed; of the oracle's other seed nothing is known.
    assert table.notes() == [
        '°: terms below 1 % of the gradient on the backbone in the whole run: method '
        '(entropy 0.05 %)'
    ]
    names = [row[0] for row in rows_of(markdown_table(table))[2:]]
    assert names == ['source', 'method°', 'oracle']
    assert r'method$^\circ$' in latex_table(table)
    assert csv_table(table).splitlines()[2].startswith('method,')
    assert '°' in table.short_caption()


@pytest.mark.parametrize(('weight', 'marked'), [(0.0, False), (0.001, True)])
def test_a_term_without_effect_is_marked_unless_its_weight_is_zero(weight, marked):
    losses = {'decode': {'loss_weight': weight}, 'auxiliary': {'loss_weight': 0.0}}
    head = {'loss_decode': {'loss_weight': 1.0}}
    model = {'type': 'MinEnt', 'decode_head': head, 'loss_entropy': losses}
    line = {'resolved_config': {'model': model}} | shares(entropy=0.0)
    table = noted({('method', 0): line, ('method', 1): line})
    assert bool(table.rows[1].weak_terms) is marked


def test_where_settings_were_chosen_is_said():
    searched = Row('MinEnt, selected', 'm.py')
    tuned = TunedRow('tuned', 'm.py', of='method')
    free = TunedRow('free', 'm.py', of='method', score='target/density')
    place = Development('elsewhere', label_free='target/density')
    study = replace(STUDY, rows=(*STUDY.rows, searched, tuned), development=place)
    said = 'tuned: by mIoU on the validation images of elsewhere'
    assert make_table([0], study=study).notes() == [said]
    study = replace(study, rows=(*study.rows, free))
    (note,) = make_table([0], study=study).notes()
    assert note == (
        f'{said}; selected without labels: by target/density on those images, which '
        "are the development pair's target and not the table's"
    )
    assert note in make_table([0], study=study).short_caption()
    assert make_table([0], study=replace(STUDY, development=place)).notes() == []


def test_remarks_stand_below_every_table():
    table = Table(STUDY, [0], summarize(STUDY, [0], results()), ['mind this'])
    assert table.caption().splitlines()[-1] == 'mind this'
    assert table.short_caption().splitlines()[-1] == 'mind this'


def test_overrides_are_compared_as_the_results_hold_them():
    study = replace(STUDY, shared={'size': (2, 1), 'seed': '{seed}'})
    lines = {(r, s): {'overrides': {'size': [2, 1], 'seed': str(s)}} for r, s in IOUS}
    assert noted(lines, study=study).notes() == []


def test_the_csv_names_iterations_and_commits():
    lines = {None: {'max_iters': 400} | git('a'), ('method', 1): git('b')}
    rows = list(csv.DictReader(io.StringIO(csv_table(noted(lines)))))
    assert [(row['iterations'], row['commit']) for row in rows] == [
        ('400', 'a'),
        ('400', 'a b'),
        ('400', 'a'),
    ]
