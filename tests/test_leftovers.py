"""The suite neither depends on the checkout's data/ and work_dirs/ nor changes them."""

import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from leftovers import DAMAGED, FINISHED, INTERRUPTED, plant, snapshot

from cfcontra_mm.benchmark import load_study, overview
from cfcontra_mm.errors import InputError

TESTS = Path(__file__).parent
GUILTY = """
from pathlib import Path

def test_it():
    (Path(__file__).parents[1] / 'data' / 'x').{act}
"""


def test_a_snapshot_notes_every_change(tmp_path):
    seen = [snapshot(tmp_path)]
    (tmp_path / 'elsewhere').touch()
    assert snapshot(tmp_path) == seen[0]
    (tmp_path / 'data').mkdir()
    (tmp_path / 'work_dirs/a').mkdir(parents=True)
    seen.append(snapshot(tmp_path))
    for text in ('1', '12'):
        (tmp_path / 'work_dirs/a/b').write_text(text)
        seen.append(snapshot(tmp_path))
    (tmp_path / 'work_dirs/a/b').unlink()
    seen.append(snapshot(tmp_path))
    assert all(one != other for one, other in pairwise(seen))


@pytest.mark.parametrize(
    ('act', 'status'), [("write_text('new')", 1), ('read_text()', 0)]
)
@pytest.mark.slow
def test_a_test_that_changes_the_checkout_fails(tmp_path, act, status):
    (tmp_path / 'tests').mkdir()
    (tmp_path / 'data').mkdir()
    (tmp_path / 'data/x').write_text('of a study')
    for name in ('conftest.py', 'leftovers.py'):
        shutil.copy(TESTS / name, tmp_path / 'tests')
    (tmp_path / 'tests/test_it.py').write_text(GUILTY.format(act=act))
    command = [sys.executable, '-m', 'pytest', '-p', 'no:cacheprovider', 'tests']
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == status
    assert ('data/x was changed while the tests ran' in done.stdout) is bool(status)


def test_planted_leftovers_are_those_of_studies(shipped):
    plant()

    def listed(name):
        study = load_study(Path(f'configs/studies/{name}.py'))
        return overview(study, Path('work_dirs', study.name))

    assert 'Nothing is left to run' in listed(FINISHED)
    assert ' finished ' in listed(INTERRUPTED)
    assert ' resumable ' in listed(INTERRUPTED)
    assert ' new ' not in listed(INTERRUPTED)
    with pytest.raises(InputError, match=r'results\.jsonl:1: '):
        listed(DAMAGED)
    with pytest.raises(InputError, match='data: is there; plant in a clean clone'):
        plant()
