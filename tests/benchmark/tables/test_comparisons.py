"""Tests over images are computed once, however large the table and however often."""

import json
import zipfile
from dataclasses import replace
from unittest import mock

import numpy as np
import pytest
from scipy import stats

from cfcontra_mm.benchmark import Row, Study
from cfcontra_mm.benchmark.tables import comparisons, statistics
from cfcontra_mm.benchmark.tables.comparisons import CACHE, Comparisons
from cfcontra_mm.benchmark.tables.formats import csv_table, read_table
from cfcontra_mm.errors import InputError

ROWS, SEEDS = 6, (0, 1, 2)
STUDY = Study(
    name='many',
    rows=tuple(Row(f'row {n}', 'a.py') for n in range(ROWS)),
    reference='row 0',
    seeds=SEEDS,
)


def counts(path, hits, images=9):
    union = np.full((images, 2), 100)
    spread = np.arange(images)[:, None] % 3
    np.savez(
        path,
        names=[f'street {n}' for n in range(images)],
        classes=['road', 'sky'],
        intersection=np.full((images, 2), hits) + spread * hits // 9,
        union=union,
    )


@pytest.fixture
def out(tmp_path):
    """Results of every row and seed, all different."""
    lines = []
    for n in range(ROWS):
        for seed in SEEDS:
            name = f'{n}_{seed}.npz'
            counts(tmp_path / name, 20 + 5 * n + seed)
            miou = 20.0 + 5 * n + seed
            line = dict(row=f'row {n}', seed=seed, identity=name, status='done')
            line |= dict(version='1', final={}, validations={}, per_image=name)
            line['metrics'] = {'mIoU': miou, 'IoU.road': miou, 'IoU.sky': miou}
            lines.append(json.dumps(line))
    (tmp_path / 'results.jsonl').write_text('\n'.join(lines))
    return tmp_path


@pytest.fixture
def calls(monkeypatch):
    """How often the costly functions are called."""
    statistics._permutations.cache_clear()
    found = {}
    for module, name in (
        (comparisons, 'jackknife_interval'),
        (comparisons, 'permutation_p_value'),
        (comparisons, 'uncorrelated_length'),
        (comparisons, 'read_pixel_counts'),
        (stats, 'permutation_test'),
    ):
        found[name] = mock.Mock(side_effect=getattr(module, name))
        monkeypatch.setattr(module, name, found[name])
    return lambda: {name: function.call_count for name, function in found.items()}


ONCE = {
    'jackknife_interval': ROWS - 1,
    'permutation_p_value': ROWS - 1,
    'uncorrelated_length': ROWS - 1,
    # For the length of blocks, and for the tests; the reference is read once.
    'read_pixel_counts': 2 * ROWS - 1,
    'permutation_test': 1,
}


def test_everything_is_computed_once(out, calls):
    table = csv_table(read_table(STUDY, out)[0])
    assert calls() == ONCE
    assert csv_table(read_table(STUDY, out)[0]) == table
    assert calls() == ONCE
    (out / CACHE).unlink()
    assert csv_table(read_table(STUDY, out)[0]) == table


@pytest.mark.parametrize(
    'change',
    [
        lambda out: counts(out / '3_1.npz', 11),
        lambda out: (out / '3_1.npz').write_bytes((out / '4_1.npz').read_bytes()),
    ],
)
def test_a_row_that_was_trained_again_is_compared_again(out, calls, change):
    before = csv_table(read_table(STUDY, out)[0]).splitlines()
    change(out)
    after = csv_table(read_table(STUDY, out)[0]).splitlines()
    assert calls()['jackknife_interval'] == ROWS
    changed = [a != b for a, b in zip(before, after, strict=True)]
    assert changed == [row == 4 for row in range(ROWS + 1)]


def test_another_number_of_neighbours_is_another_comparison(out, calls):
    read_table(STUDY, out)
    read_table(replace(STUDY, block_length=3), out)
    assert calls()['permutation_p_value'] == 2 * (ROWS - 1)


def test_what_an_older_algorithm_found_is_not_used(out, monkeypatch):
    monkeypatch.setattr(comparisons, 'ALGORITHM', comparisons.ALGORITHM - 1)
    read_table(STUDY, out)
    monkeypatch.undo()
    before = json.loads((out / CACHE).read_text())
    read_table(STUDY, out)
    after = json.loads((out / CACHE).read_text())
    for kind in ('tests', 'lengths'):
        assert not before[kind].keys() & after[kind].keys()


DAMAGED = ['', '[]', '{"a": 1}', '{"tests": {"a": [["x", 1], 2, 1, 9]}}', '\0']


@pytest.mark.parametrize('text', DAMAGED)
def test_a_damaged_cache_is_made_again(out, calls, text):
    (out / CACHE).write_text(text)
    read_table(STUDY, out)
    assert calls() == ONCE
    found = json.loads((out / CACHE).read_text())
    assert [len(found[kind]) for kind in ('tests', 'lengths')] == [ROWS - 1] * 2


def too_large(path):
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
        for number in range(3):
            archive.writestr(f'{number}.npy', b'\0' * 1000)


def of_other_shapes(path):
    ones = np.ones((2, 2))
    np.savez(path, names=['a'], classes=['road', 'sky'], intersection=ones, union=ones)


def negative(path):
    counts(path, -50)


def pickled(path):
    names = np.array([print], dtype=object)
    np.savez(path, names=names, classes=['road'], intersection=[[1]], union=[[1]])


@pytest.mark.parametrize(
    'spoil',
    [
        lambda path: path.write_bytes(b''),
        lambda path: path.write_bytes(b'PK\x03\x04 cut'),
        lambda path: path.write_bytes(path.read_bytes()[:300]),
        lambda path: np.savez(path, names=['a']),
        too_large,
        of_other_shapes,
        negative,
        pickled,
    ],
)
def test_a_file_that_is_none_of_pixel_counts_is_named(tmp_path, monkeypatch, spoil):
    path, other = tmp_path / 'a.npz', tmp_path / 'b.npz'
    counts(path, 20)
    counts(other, 30)
    if spoil is too_large:
        monkeypatch.setattr(statistics, 'MAX_BYTES', 2000)
    spoil(path)
    with pytest.raises(InputError, match='not a file of pixel counts') as caught:
        Comparisons().compare([path], [other], ['road'], 1)
    assert str(caught.value).startswith(str(path))
    assert '\n' not in str(caught.value)
