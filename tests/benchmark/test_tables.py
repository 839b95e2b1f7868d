"""Every number against one worked out by hand."""

import csv
import io
import math

import pytest

from cfcontra_mm.benchmark import Row, Study
from cfcontra_mm.benchmark.results import Record
from cfcontra_mm.benchmark.tables import (
    csv_table,
    markdown_table,
    summarize,
    terminal_table,
)

STUDY = Study(
    name='demo',
    rows=(Row('source', 's.py'), Row('method', 'm.py'), Row('oracle', 'o.py')),
    baseline='source',
    oracle='oracle',
    seeds=(0,),
    data={},
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


def record(row, seed, road, sidewalk):
    metrics = {
        'mIoU': (road + sidewalk) / 2,
        'IoU.road': road,
        'IoU.sidewalk': sidewalk,
    }
    return Record(row, '', '', seed, '1.0', metrics, 1.0, 0)


def summaries(seeds, without=(), failed=()):
    records = {
        key: record(*key, *ious) for key, ious in IOUS.items() if key not in without
    }
    return summarize(STUDY, seeds, records, set(failed))


def test_one_seed():
    source, method, oracle = summaries([0])
    assert (source.gain, source.gap_closed) == (0.0, 0.0)
    assert (method.miou, method.std) == (30.0, None)
    assert method.gain == 10.0
    assert method.gap_closed == pytest.approx(100 * 10 / 30)
    assert (oracle.gain, oracle.gap_closed) == (30.0, 100.0)


def test_two_seeds():
    _, method, _ = summaries([0, 1])
    assert method.by_seed == (30.0, 34.0)
    assert method.miou == 32.0
    assert method.std == pytest.approx(math.sqrt(8))  # (2^2 + 2^2) / (2 - 1)
    assert method.class_ious == {'road': 42.5, 'sidewalk': 21.5}
    assert method.gain == 10.0  # 32 - (20 + 24) / 2
    assert method.gap_closed == pytest.approx(100 * 10 / 31)


def test_a_failed_seed_leaves_no_means():
    rows = summaries([0, 1], without=[('method', 1)], failed=[('method', 1)])
    method = rows[1]
    assert (method.status, method.by_seed) == ('failed', (30.0, 'failed'))
    assert (method.miou, method.gain) == (None, None)
    assert rows[2].gap_closed == 100.0
    assert '30.0, failed' in terminal_table(rows)


def test_without_baseline_or_oracle_no_comparison():
    rows = summaries([0], without=[('source', 0)])
    assert rows[0].status == 'not run'
    assert [row.gain for row in rows] == [None] * 3
    rows = summaries([0], without=[('oracle', 0)])
    assert (rows[1].gain, rows[1].gap_closed) == (10.0, None)


def test_no_gap_is_not_divided_by():
    records = {(name, 0): record(name, 0, 30, 10) for name in STUDY.row_names()}
    rows = summarize(STUDY, [0], records, set())
    assert [row.gap_closed for row in rows] == [None] * 3


def test_markdown():
    lines = markdown_table(summaries([0])).splitlines()
    cells = [[cell.strip() for cell in line.strip('|').split('|')] for line in lines]
    assert cells[0] == ['method', 'road', 'sidewalk', 'mIoU', 'gain', 'gap closed']
    assert cells[2] == ['source', '30.0', '10.0', '20.0', '+0.0', '0 %']
    assert cells[3] == ['method', '40.0', '20.0', '30.0', '+10.0', '33 %']


def test_terminal_lists_every_seed():
    text = terminal_table(summaries([0, 1]))
    assert 'side.' in text
    assert '32.0 ± 2.8' in text
    assert '30.0, 34.0' in text


def test_csv():
    text = csv_table(
        summaries([0, 1], without=[('oracle', 0)], failed=[('oracle', 0)]), [0, 1]
    )
    rows = {row['method']: row for row in csv.DictReader(io.StringIO(text))}
    assert rows['method'] == {
        'method': 'method',
        'status': 'done',
        'road': '42.50',
        'sidewalk': '21.50',
        'mIoU': '32.00',
        'mIoU std': '2.83',
        'gain': '10.00',
        'gap closed': '',
        'mIoU seed 0': '30.00',
        'mIoU seed 1': '34.00',
    }
    assert rows['oracle']['status'] == 'failed'
    assert rows['oracle']['mIoU seed 1'] == '56.00'


def test_all_failed_is_still_a_table():
    rows = summaries([0], without=IOUS, failed=IOUS)
    assert terminal_table(rows).count('failed') == 3


def test_a_class_without_pixels_is_a_dash():
    metrics = {'mIoU': 30.0, 'IoU.road': 30.0, 'IoU.train': math.nan}
    records = {
        (name, 0): Record(name, '', '', 0, '1.0', metrics, 1.0, 0)
        for name in STUDY.row_names()
    }
    rows = summarize(STUDY, [0], records, set())
    assert markdown_table(rows).splitlines()[2].split()[5] == '-'
    assert csv_table(rows, [0]).splitlines()[1].startswith('source,done,30.00,,30.00')


def test_nineteen_classes_fit_a_wide_terminal():
    from mmseg.datasets import CityscapesDataset

    names = CityscapesDataset.METAINFO['classes']
    metrics = {'mIoU': 10.0, **{f'IoU.{name}': 10.0 for name in names}}
    records = {
        (row, 0): Record(row, '', '', 0, '1.0', metrics, 1.0, 0)
        for row in STUDY.row_names()
    }
    text = terminal_table(summarize(STUDY, [0], records, set()))
    assert max(map(len, text.splitlines())) <= 170
    heading = text.splitlines()[1]
    assert len(set(heading.strip('|').split('|'))) == 1 + len(names) + 3
