import json

import pytest

from cfcontra_mm.benchmark.results import (
    Record,
    read_metrics,
    read_record,
    write_record,
)
from cfcontra_mm.benchmark.steps import Run
from cfcontra_mm.errors import InputError


@pytest.fixture
def run(tmp_path):
    return Run('a', 'a.py', 0, 20, 1.0, 'identity', tmp_path)


@pytest.fixture
def record():
    metrics = {'mIoU': 30.0, 'IoU.traffic light': 20.0, 'IoU.road': 40.0, 'aAcc': 80.0}
    return Record('a', 'a.py', 'identity', 0, '1.0', metrics, 12.5, 0)


def test_record_round_trip(run, record):
    assert read_record(run) is None
    write_record(record, run.work_dir)
    assert read_record(run) == record
    assert list(record.class_ious().items()) == [
        ('traffic light', 20.0),
        ('road', 40.0),
    ]
    assert [path.name for path in run.work_dir.iterdir()] == ['result.json']


def test_record_of_another_identity_counts_as_unfinished(run, record, tmp_path):
    write_record(record, run.work_dir)
    other = Run('a', 'a.py', 0, 20, 1.0, 'other', tmp_path)
    assert read_record(other) is None


def test_broken_record_is_named(run):
    (run.work_dir / 'result.json').write_text('{"row": 1')
    with pytest.raises(InputError, match=r'result\.json: not a result'):
        read_record(run)


def test_metrics_come_from_the_newest_test(tmp_path):
    for stamp, miou in (('20250101_000000', 10.0), ('20250102_000000', 20.0)):
        (tmp_path / stamp).mkdir()
        values = {'mIoU': miou, 'IoU.road': miou, 'time': 1.0, 'note': 'text'}
        (tmp_path / stamp / f'{stamp}.json').write_text(json.dumps(values))
    assert read_metrics(tmp_path) == {'mIoU': 20.0, 'IoU.road': 20.0}


@pytest.mark.parametrize('values', [{}, {'mIoU': None}])
def test_metrics_without_miou_are_refused(tmp_path, values):
    with pytest.raises(InputError, match='no metrics'):
        read_metrics(tmp_path)
    (tmp_path / '1').mkdir()
    (tmp_path / '1' / '1.json').write_text(json.dumps(values))
    with pytest.raises(InputError, match='no mIoU'):
        read_metrics(tmp_path)
