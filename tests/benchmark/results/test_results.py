import json
import math
import subprocess
from dataclasses import asdict, replace

import pytest
import torch

from cfcontra_mm.benchmark.results import (
    Entry,
    Record,
    Result,
    read_record,
    read_results,
    write_record,
    write_results,
)
from cfcontra_mm.benchmark.results.provenance import environment, git_state
from cfcontra_mm.benchmark.results.records import line_record, read_metrics
from cfcontra_mm.engine.training_log import read_curves
from cfcontra_mm.errors import InputError


@pytest.fixture
def run(tmp_path):
    work_dir = tmp_path / 'runs' / 'a'
    work_dir.mkdir(parents=True)
    return Entry('a', 0, 'a.py', 'identity', work_dir, 20, {}, {})


@pytest.fixture
def record():
    metrics = {'mIoU': 30.0, 'IoU.traffic light': 20.0, 'IoU.road': 40.0, 'aAcc': 80.0}
    return Record('a', 'a.py', 'identity', 0, '1.0', metrics, 12.5, 0)


def test_record_round_trip(run, record):
    assert read_record(run.work_dir, run.identity) is None
    write_record(record, run.work_dir)
    assert read_record(run.work_dir, run.identity) == record
    assert [path.name for path in run.work_dir.iterdir()] == ['result.json']


def test_a_record_of_before_the_environment_was_noted_still_counts(run, record):
    values = asdict(record)
    del values['environment'], values['git']
    (run.work_dir / 'result.json').write_text(json.dumps(values))
    assert read_record(run.work_dir, run.identity) == record


def test_class_ious_keep_their_order():
    result = Result(
        'done', metrics={'mIoU': 1.0, 'IoU.b': 2.0, 'aAcc': 3.0, 'IoU.a': 4.0}
    )
    assert list(result.class_ious().items()) == [('b', 2.0), ('a', 4.0)]


def log(work_dir, stamp, *entries):
    folder = work_dir / stamp / 'vis_data'
    folder.mkdir(parents=True)
    text = ''.join(json.dumps(entry) + '\n' for entry in entries)
    (folder / 'scalars.json').write_text(text)


def test_curves_of_a_training_that_was_resumed(tmp_path):
    log(
        tmp_path,
        '2025_1',
        {'iter': 5, 'step': 5, 'time': 9.0, 'loss': 4.0, 'memory': 70},
        {'iter': 10, 'step': 10, 'time': 1.0, 'loss': 2.0, 'memory': 90},
        {'mIoU': 11.0, 'IoU.road': 12.0, 'time': 0.1, 'step': 10},
        {'iter': 15, 'step': 15, 'time': 1.0, 'loss': 7.0},
    )
    log(
        tmp_path,
        '2025_2',
        {'iter': 15, 'step': 15, 'time': 3.0, 'loss': 1.0},
        {'iter': 19, 'step': 19, 'time': 3.0, 'loss': 0.5, 'lr': 0.1},
        {'iter': 20, 'step': 20, 'time': 4.0, 'loss': 0.3},
        {'mIoU': 21.0, 'IoU.road': 22.0, 'time': 0.1, 'step': 20},
    )
    with (tmp_path / '2025_2/vis_data/scalars.json').open('a') as file:
        file.write('{"iter": 21')
    curves = read_curves(tmp_path)
    assert [path.parts[-3] for path in curves.files] == ['2025_1', '2025_2']
    assert curves.validations == {
        10: {'mIoU': 11.0, 'IoU.road': 12.0},
        20: {'mIoU': 21.0, 'IoU.road': 22.0},
    }
    assert curves.final == {'loss': pytest.approx(0.4)}
    assert {i: entry['loss'] for i, entry in curves.training.items()} == {
        5: 4.0, 10: 2.0, 15: 1.0, 19: 0.5, 20: 0.3,
    }  # fmt: skip
    assert 'lr' not in curves.training[19]
    assert curves.iterations_per_second == pytest.approx(5 / 20)
    assert curves.peak_memory_mib == 90


def test_the_largest_shares_over_a_training_that_was_resumed(tmp_path):
    log(
        tmp_path,
        '2025_1',
        {'iter': 1, 'step': 1, 'share/a.ent': 0.2, 'share/a.ce': 99.8},
        {'iter': 1, 'step': 1, 'loss': 4.0},
        {'iter': 10, 'step': 10, 'share/a.ent': 9.0, 'share/a.ce': 91.0},
        {'iter': 10, 'step': 10, 'loss': 3.0, 'time': 2.0},
    )
    # The iteration was run again, by other code.
    log(tmp_path, '2025_2', {'iter': 10, 'step': 10, 'share/a.ent': 0.5})
    curves = read_curves(tmp_path)
    assert curves.loss_shares == {'a.ent': 0.5, 'a.ce': 99.8}
    assert curves.training[1] == {'share/a.ent': 0.2, 'share/a.ce': 99.8, 'loss': 4.0}
    assert curves.training[10]['loss'] == 3.0
    assert curves.iterations_per_second == 0.5


def test_curves_of_a_training_without_a_log(tmp_path):
    curves = read_curves(tmp_path)
    assert (curves.files, curves.validations, curves.final) == ((), {}, {})
    assert (curves.iterations_per_second, curves.peak_memory_mib) == (None, None)


def git(folder, *arguments):
    names = ['-c', 'user.name=a', '-c', 'user.email=a@b.c']
    command = ['git', '-C', str(folder), *names, *arguments]
    subprocess.run(command, check=True, capture_output=True)


def test_git_state(tmp_path):
    package = tmp_path / 'package'
    package.mkdir()
    (package / 'version.py').touch()
    assert git_state(package) is None
    git(tmp_path, 'init')
    assert git_state(package) is None
    git(tmp_path, 'add', '.')
    git(tmp_path, 'commit', '-m', 'first')
    (tmp_path / 'elsewhere').touch()
    clean = git_state(package)
    assert (len(clean['commit']), clean['dirty']) == (40, False)
    (package / 'new.py').touch()
    assert git_state(package) == {**clean, 'dirty': True}
    (package / 'new.py').unlink()
    assert git_state(package) == clean
    for name in ('configs', 'tools'):
        (tmp_path / name / 'minent').mkdir(parents=True)
        (tmp_path / name / 'minent' / 'a.py').touch()
        assert git_state(package) == {**clean, 'dirty': True}
        (tmp_path / name / 'minent' / 'a.py').unlink()
    assert git_state(package) == clean


def test_environment_names_versions_and_hardware():
    found = environment()
    assert found['torch'] == torch.__version__
    assert set(found) == {'python', 'torch', 'mmengine', 'mmseg', 'cpu', 'device'}
    assert all(found.values())


DONE = {
    'row': 'a',
    'seed': 0,
    'identity': 'x',
    'status': 'done',
    'version': '1.0',
    'metrics': {'mIoU': 30.0, 'IoU.road': 30.0, 'loss': -2},
    'final': {'loss': 1.0},
    'validations': {'20': {'mIoU': 30.0}},
    'per_image': None,
}
FAILED = {'row': 'b', 'seed': 0, 'identity': 'y', 'status': 'failed', 'error': 'e'}


def write_lines(tmp_path, *lines):
    path = tmp_path / 'results.jsonl'
    text = [x if isinstance(x, str) else json.dumps(x) for x in lines]
    path.write_text('\n'.join(text) + '\n')
    return path


def test_a_mark_of_the_encoding_is_no_fault(tmp_path):
    path = write_lines(tmp_path, FAILED)
    path.write_text(path.read_text(), encoding='utf-8-sig')
    assert list(read_results(path)) == [('b', 0)]


@pytest.mark.parametrize('text', [None, '', '\n'])
def test_no_results_are_no_table(tmp_path, text):
    path = tmp_path / 'results.jsonl'
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=r'jsonl: no results yet; run the study first'):
        read_results(path)
    assert read_results(path, missing_ok=True) == {}


WRONG = [
    ('{"row"', 'Expecting'),
    ('[' * 100_000, 'recursion'),
    ('[]', 'not a result'),
    ('7', 'not a result'),
    ({'row': 'a'}, 'status is neither'),
    (DONE | {'status': ['done']}, 'status is neither'),
    (FAILED | {'error': None}, 'error is missing'),
    (DONE | {'seed': True}, 'seed is not a whole number'),
    (DONE | {'seed': 0.5}, 'seed is not a whole number'),
    (DONE | {'row': 3}, 'row is not a name'),
    (DONE | {'metrics': {'IoU.road': 1.0}}, 'metrics has no mIoU'),
    *(
        (DONE | {'metrics': {'mIoU': value}}, 'metrics is not numbers by name')
        for value in ('abc', -5, 1e308, 10**400, math.inf, [1.0], True)
    ),
    (DONE | {'metrics': {'mIoU': 3, 'IoU.a': 101}}, 'metrics is not numbers by name'),
    (DONE | {'metrics': [30.0]}, 'metrics is not numbers by name'),
    (DONE | {'final': {'loss': 'x'}}, 'final is not numbers'),
    (DONE | {'loss_shares': {'a.ent': 101}}, 'loss_shares is not percentages'),
    (DONE | {'loss_shares': [1.0]}, 'loss_shares is not percentages'),
    (DONE | {'validations': {'a': {'mIoU': 3.0}}}, 'validations is not metrics'),
    (DONE | {'validations': {'20': {'mIoU': -3}}}, 'validations is not metrics'),
    (DONE | {'max_iters': -1}, 'max_iters is not a number of iterations'),
    (DONE | {'wall_seconds': 'long'}, 'wall_seconds is not a number'),
    (DONE | {'git': 'abc'}, 'git is not a commit'),
    (DONE | {'per_image': '../../etc/passwd'}, 'per_image .* is outside of'),
    (DONE | {'per_image': '../runs/a.npz'}, 'per_image .* is outside of'),
    (DONE | {'work_dir': '../../etc'}, 'work_dir .* is outside of'),
    (DONE | {'work_dir': '/etc'}, 'work_dir .* is outside of'),
    (DONE | {'work_dir': '../runs/../../etc'}, 'work_dir .* is outside of'),
    (DONE | {'files': ['../../etc/passwd']}, 'files .* is outside of'),
    (DONE | {'files': 'log.json'}, 'files is not paths'),
    (DONE | {'per_image_other': '../runs/a.npz'}, 'per_image_other .* is outside of'),
    *(
        (DONE | {'metrics': {'mIoU': 3, key: 101}}, 'metrics is not numbers by name')
        for key in ('running_statistics/mIoU', 'target_statistics/IoU.a/b')
    ),
    (DONE | {'loss_shares': {'entropy': 101}}, 'loss_shares is not percentages'),
    (DONE | {'loss_shares': {'entropy': None}}, 'loss_shares is not percentages'),
    (DONE | {'loss_shares': [0.1]}, 'loss_shares is not percentages'),
    (DONE | {'shared_sources': 7}, 'shared_sources is not a digest'),
]


@pytest.mark.parametrize(('line', 'said'), WRONG)
def test_a_line_that_is_no_result_is_named(tmp_path, line, said):
    path = write_lines(tmp_path, FAILED, line)
    pattern = rf'results\.jsonl:2: .*{said}.*; delete this line and run the study again'
    with pytest.raises(InputError, match=pattern) as caught:
        read_results(path)
    assert '\n' not in str(caught.value)
    # The way out works.
    assert list(read_results(write_lines(tmp_path, FAILED))) == [('b', 0)]


def test_two_results_of_a_run_are_refused(tmp_path):
    path = write_lines(tmp_path, DONE, FAILED, '', DONE)
    with pytest.raises(InputError, match=r"jsonl:4: row 'a' with seed 0 .* line 1; de"):
        read_results(path)


@pytest.mark.parametrize('name', ['running_statistics', 'target_statistics'])
def test_counts_of_the_other_treatment_are_kept_beside_the_headlines(
    run, record, tmp_path, name
):
    write_record(record, run.work_dir)
    predictions = run.work_dir / 'predictions'
    predictions.mkdir()
    (predictions / 'per_image.npz').write_text('headline')
    (predictions / f'per_image_{name}.npz').write_text('other')
    out = tmp_path / 'out'
    write_results([replace(run, shared_sources='d1')], {}, out)
    (result,) = read_results(out / 'results.jsonl').values()
    assert result.per_image.read_text() == 'headline'
    assert result.line['per_image_other'] == f'per_image/a_{name}.npz'
    assert (out / result.line['per_image_other']).read_text() == 'other'
    assert result.line['shared_sources'] == 'd1'


def test_without_counts_none_are_named(run, record, tmp_path):
    write_record(record, run.work_dir)
    write_results([run], {}, tmp_path / 'out')
    (result,) = read_results(tmp_path / 'out' / 'results.jsonl').values()
    names = ('per_image', 'per_image_other', 'shared_sources')
    assert [result.line[name] for name in names] == [None] * 3


def test_a_line_gives_its_record_back(run, record, tmp_path):
    write_record(record, run.work_dir)
    write_results([run], {}, tmp_path / 'out')
    (result,) = read_results(tmp_path / 'out' / 'results.jsonl').values()
    assert line_record(result.line) == record
    assert line_record(DONE).wall_seconds == 0.0  # older lines lack it


def test_a_file_that_is_no_text_is_named(tmp_path):
    path = tmp_path / 'results.jsonl'
    path.write_bytes(b'\xff\xfe')
    with pytest.raises(InputError, match='not a results file'):
        read_results(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(InputError, match='not a results file'):
        read_results(path)


def test_what_is_no_number_is_nan_and_paths_beside_the_study_are_read(tmp_path):
    line = DONE | {
        'metrics': {'mIoU': None, 'IoU.road': math.nan},
        'final': {'loss': None},
        'loss_shares': {'target.ent': 100.0, 'source.ce': 0},
        'work_dir': '../runs/a',
        'files': ['../runs/a/1/vis_data/scalars.json'],
        'git': {'commit': '0123456789abcdef', 'dirty': True},
    }
    (result,) = read_results(write_lines(tmp_path, line)).values()
    assert all(map(math.isnan, [*result.metrics.values(), *result.final.values()]))
    assert (result.commit, result.iterations) == ('0123456789+', None)


def test_record_of_another_identity_counts_as_unfinished(run, record):
    write_record(record, run.work_dir)
    assert read_record(run.work_dir, 'other') is None


@pytest.mark.parametrize(
    'change', [{'metrics': {'mIoU': 'abc'}}, {'metrics': {}}, {'seed': None}, 'cut', []]
)
def test_broken_record_is_named(run, record, change):
    text = json.dumps(asdict(record) | change) if isinstance(change, dict) else '{"row"'
    (run.work_dir / 'result.json').write_text('[]' if change == [] else text)
    with pytest.raises(InputError, match=r'result\.json: not a result'):
        read_record(run.work_dir, run.identity)


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


def test_lines_of_rows_that_are_still_open_are_kept(run, record, tmp_path, capsys):
    out = tmp_path / 'out'
    write_record(record, run.work_dir)
    write_results([run, replace(run, row='tuned')], {}, out)
    before = (out / 'results.jsonl').read_text()
    assert len(before.splitlines()) == 2
    write_results([run], {}, out, open_rows=['tuned'])
    assert (out / 'results.jsonl').read_text() == before
    write_results([replace(run, identity='other')], {}, out, open_rows=['tuned'])
    assert [key[0] for key in read_results(out / 'results.jsonl')] == ['tuned']


def test_results_of_other_code_are_kept_apart(run, record, tmp_path, capsys):
    """A study that was run before an update, and one run of it since."""
    out = tmp_path / 'out'
    old = {'status': 'done', 'metrics': {'mIoU': 20.0}, 'version': '0.1', 'seed': 0}
    old |= dict(final={}, validations={}, per_image=None)
    lines = [old | dict(row=row, identity=f'old {row}') for row in 'ab']
    out.mkdir()
    text = ''.join(json.dumps(line) + '\n' for line in lines)
    (out / 'results.jsonl').write_text(text)
    write_record(record, run.work_dir)
    write_results([run], {}, out)
    assert list(read_results(out / 'results.jsonl')) == [('a', 0)]
    assert (out / 'results.superseded.jsonl').read_text() == text
    assert '2 results were made with other settings or code' in capsys.readouterr().out
    write_results([run], {}, out)
    assert (out / 'results.superseded.jsonl').read_text() == text
    assert capsys.readouterr().out == ''
