"""The two treatments of batch normalisation in one table."""

import csv
import io
from dataclasses import replace

import numpy as np
import pytest

from cfcontra_mm.benchmark import Row, Study
from cfcontra_mm.benchmark.results import Result
from cfcontra_mm.benchmark.tables.formats import Table, csv_table, markdown_table
from cfcontra_mm.benchmark.tables.summary import summarize

NAMES = ('source-only', 'MinEnt', 'DACS')
STUDY = Study('demo', tuple(Row(name, 'a.py') for name in NAMES), (0, 1))
RUNNING, TARGET = 'running_statistics', 'target_statistics'


def metrics(miou, other=None, other_miou=0.0, images=None, layers=20):
    """Metrics of a test: the headline's, and perhaps those of another treatment."""
    found = {'mIoU': miou, 'IoU.road': miou + 1, 'IoU.sky': miou - 1}
    if other:
        found |= {f'{other}/mIoU': other_miou, f'{other}/IoU.road': other_miou + 4}
        found[f'{other}/IoU.sky'] = other_miou - 4
    if images is not None:
        found |= {'statistics/images': images, 'statistics/layers': layers}
    return found


def of_target(miou, running):
    return metrics(miou, RUNNING, running, images=200)


def of_running(miou, target):
    return metrics(miou, TARGET, target, images=0)


def make_table(by_row, study=STUDY):
    """The first seed has these metrics, the second two points more of everything."""
    found = {}
    for name, values in zip(NAMES, by_row, strict=True):
        more = {k: v + 2 * ('IoU' in k) for k, v in values.items()}
        found[name, 0], found[name, 1] = (
            Result('done', metrics=m) for m in (values, more)
        )
    return Table(study, (0, 1), summarize(study, (0, 1), found))


def cells(table):
    lines = markdown_table(table, classes=False).splitlines()
    heading, _, *rows = (
        [cell.strip() for cell in line.strip('|').split('|')] for line in lines
    )
    return [dict(zip(heading, row, strict=True)) for row in rows]


def line_of(table):
    lines = table.caption().splitlines()
    return next(line for line in lines if line.startswith('mIoU '))


ALIKE = [of_target(47, 24), of_target(48, 35), of_target(50, 40)]


def test_the_other_treatment_stands_beside_the_headline():
    table = make_table(ALIKE)
    found = cells(table)
    assert list(found[0])[:3] == ['method', 'mIoU', 'running statistics']
    assert found[1]['mIoU'] == '49.0 ± 1.4'
    assert found[1]['running statistics'] == '36.0 ± 1.4'
    assert line_of(table) == 'mIoU under statistics of 200 target images'
    assert line_of(table) in table.short_caption()
    row = list(csv.DictReader(io.StringIO(csv_table(table))))[1]
    assert [row[f'{name} statistics'] for name in ('target', 'running')] == ['49', '36']
    assert row['running statistics std'] == '1.41421'
    assert row['statistics'] == 'statistics of 200 target images'


def test_it_is_named_target_statistics_where_the_headline_is_the_running_ones():
    table = make_table([of_running(24, 47), of_running(35, 48), of_running(40, 50)])
    assert cells(table)[0]['target statistics'] == '48.0 ± 1.4'
    assert line_of(table) == 'mIoU under running statistics'


def test_rows_of_different_treatments_are_named():
    table = make_table([of_running(24, 47), *ALIKE[1:]])
    found = cells(table)
    assert list(found[0])[2:4] == ['target statistics', 'running statistics']
    assert [row['target statistics'][:4] for row in found] == ['48.0', '49.0', '51.0']
    assert [row['running statistics'][:4] for row in found] == ['25.0', '36.0', '41.0']
    assert line_of(table) == (
        'mIoU under running statistics: source-only; under statistics of 200 target '
        'images: all others'
    )


def test_a_row_without_the_other_treatment_or_without_layers_says_so():
    bare = metrics(60, images=0, layers=0)
    table = make_table([metrics(24, images=200), ALIKE[1], bare])
    found = cells(table)
    assert [row['running statistics'] for row in found] == [
        *('-', '36.0 ± 1.4', 'no BatchNorm'),
    ]
    table = make_table([metrics(24), ALIKE[1], bare])
    both = [
        (row['target statistics'][:4], row['running statistics'][:4])
        for row in cells(table)
    ]
    assert both == [('-', '25.0'), ('49.0', '36.0'), ('61.0', '61.0')]
    assert 'with no BatchNorm' in line_of(table)


def test_a_seed_without_the_other_treatment_leaves_no_mean():
    table = make_table(ALIKE)
    found = {
        (row.name, seed): Result('done', metrics=of_target(47, 24))
        for row in STUDY.rows
        for seed in (0, 1)
    }
    found['MinEnt', 1] = Result('done', metrics=metrics(47, images=200))
    table = Table(STUDY, (0, 1), summarize(STUDY, (0, 1), found))
    assert [row['running statistics'] for row in cells(table)] == [
        *('24.0 ± 0.0', '-', '24.0 ± 0.0'),
    ]


def test_it_is_the_mean_over_the_classes_of_the_study():
    table = make_table(ALIKE, replace(STUDY, classes=('road',)))
    assert cells(table)[1]['running statistics'] == '40.0 ± 1.4'
    assert cells(table)[1]['mIoU'] == '50.0 ± 1.4'


@pytest.mark.parametrize('table', [make_table([metrics(20)] * 3)])
def test_results_from_before_are_of_running_statistics(table):
    assert line_of(table) == 'mIoU under running statistics'
    assert not {'running statistics', 'target statistics'} & cells(table)[0].keys()
    assert table.class_names() == ['road', 'sky']


COMPARED = replace(
    STUDY, reference='MinEnt', baseline='MinEnt', oracle='DACS', seeds=(0, 1)
)


def figures(table):
    return [(row['Δ MinEnt'], row['gap closed']) for row in cells(table)]


def test_rows_are_compared_under_the_treatment_of_the_reference():
    # Under target statistics all have 48, and the oracle 52.
    table = make_table(
        [of_running(24, 48), of_target(48, 35), of_running(60, 52)], COMPARED
    )
    assert figures(table) == [('+0.0', '0 %'), ('-', '0 %'), ('+4.0', '100 %')]
    said = 'Δ, gap closed: under statistics of 200 target images for every row'
    assert said in table.caption().splitlines()
    assert said in table.short_caption().splitlines()


def test_rows_are_compared_under_running_statistics_if_the_reference_was():
    table = make_table(
        [of_target(50, 24), of_running(35, 48), of_target(60, 40)], COMPARED
    )
    assert figures(table) == [('-11.0', '-220 %'), ('-', '0 %'), ('+5.0', '100 %')]
    assert 'Δ, gap closed: under running statistics for every row' in table.caption()


def test_a_row_that_was_not_measured_so_is_not_compared():
    table = make_table([metrics(24), of_target(48, 35), metrics(60)], COMPARED)
    assert figures(table) == [('-', '-'), ('-', '-'), ('-', '-')]
    rows = list(csv.DictReader(io.StringIO(csv_table(table))))
    assert [(row['difference'], row['gain']) for row in rows] == [
        *(('', ''), ('', '0'), ('', ''))
    ]


def test_the_figures_of_a_network_without_layers_hold_for_both():
    bare = metrics(50, images=0, layers=0)
    table = make_table([bare, of_target(48, 35), of_running(30, 40)], COMPARED)
    assert figures(table)[0] == ('+2.0', '-')
    # A reference without layers does not say; the first row with some does.
    table = make_table([of_running(30, 47), bare, of_target(48, 35)], COMPARED)
    assert [delta for delta, _ in figures(table)] == ['-20.0', '-', '-15.0']
    table = make_table([bare, bare, bare], COMPARED)
    assert figures(table)[0] == ('+0.0', '-')


def test_rows_of_one_treatment_are_not_said_to_be_compared_under_it():
    table = make_table(ALIKE, COMPARED)
    assert 'for every row' not in table.caption() + table.short_caption()


def counted(tmp_path, name, hits):
    path = tmp_path / f'{name}.npz'
    hits = np.array(hits)[:, None].repeat(2, axis=1)
    names = [str(number) for number in range(len(hits))]
    union = np.full_like(hits, 100)
    np.savez(path, names=names, classes=['road', 'sky'], intersection=hits, union=union)
    return path


def test_images_are_compared_under_the_treatment_of_the_reference(tmp_path):
    rng = np.random.default_rng(0)
    easy, hard = rng.integers(40, 60, 20), rng.integers(10, 30, 20)
    high, low = (counted(tmp_path, n, h) for n, h in (('high', easy), ('low', hard)))
    found = {
        ('source-only', 0): (of_running(24, 48), low, high),
        ('MinEnt', 0): (of_target(48, 24), high, low),
        ('DACS', 0): (of_target(48, 24), low, None),
    }
    results = {
        key: Result('done', metrics=m, per_image=one, per_image_other=other)
        for key, (m, one, other) in found.items()
    }
    source, _, dacs = summarize(COMPARED, (0,), results)
    # The same network: nothing is tested.
    assert source.difference.over_images.interval == (0, 0)
    assert source.difference.p_adjusted is None
    assert dacs.difference.over_images.interval.high < 0
    results['source-only', 0] = replace(results['source-only', 0], per_image_other=None)
    source = summarize(COMPARED, (0,), results)[0]
    assert (source.difference.mean, source.difference.over_images) == (0.0, None)
