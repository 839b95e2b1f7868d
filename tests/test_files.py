import csv
import errno
import io

import pytest

from cfcontra_mm.errors import InputError
from cfcontra_mm.files import csv_text, locked, temporary_name, whole_file, write_whole


def test_the_file_takes_its_name_at_the_end(tmp_path):
    path = tmp_path / 'new' / 'a.png'
    with whole_file(path) as temporary:
        assert temporary.suffix == '.png'
        temporary.write_text('whole')
        assert not path.exists()
    assert [(p.name, p.read_text()) for p in path.parent.iterdir()] == [
        ('a.png', 'whole')
    ]


def write_a_part(path, error):
    path.write_text('a part')
    raise error


@pytest.mark.parametrize('error', [ValueError, KeyboardInterrupt])
def test_nothing_is_left_of_a_block_that_raises(tmp_path, error):
    path = tmp_path / 'a.txt'
    path.write_text('before')
    with pytest.raises(error), whole_file(path) as temporary:
        write_a_part(temporary, error)
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [
        ('a.txt', 'before')
    ]


def test_a_block_may_raise_before_it_writes(tmp_path):
    with pytest.raises(ValueError, match='early'), whole_file(tmp_path / 'a.txt'):
        raise ValueError('early')
    assert not list(tmp_path.iterdir())


def test_nothing_is_left_where_the_name_cannot_be_taken(tmp_path):
    taken = tmp_path / 'a.txt'
    taken.mkdir()
    with pytest.raises(IsADirectoryError), whole_file(taken) as temporary:
        temporary.write_text('whole')
    assert list(tmp_path.iterdir()) == [taken]


def test_a_planted_link_is_not_followed(tmp_path):
    victim = tmp_path / 'victim.txt'
    victim.write_text('precious')
    path = tmp_path / 'out' / 'a.txt'
    path.parent.mkdir()
    temporary_name(path).symlink_to(victim)
    write_whole(path, 'new')
    assert (victim.read_text(), path.read_text()) == ('precious', 'new')
    path.unlink()
    path.symlink_to(victim)
    write_whole(path, 'newer')
    assert (victim.read_text(), path.read_text()) == ('precious', 'newer')
    assert not path.is_symlink()


@pytest.mark.parametrize(
    'cell', ['=cmd()', '+1+cmd()', '-2+3', '@SUM(A1)', '\t=1', '+5 %']
)
def test_no_spreadsheet_takes_a_text_for_a_formula(cell):
    assert csv_text([[cell, 'b']]) == f"'{cell},b\n"


def test_numbers_and_plain_texts_stay_in_a_csv():
    cells = ['-0.5', '+1', '1e-3', 'nan', 'a = b', '', 'a,b', '"']
    (row,) = csv.reader(io.StringIO(csv_text([cells])))
    assert row == cells


def test_a_full_disk_is_an_error_of_the_file_that_was_written(tmp_path):
    path = tmp_path / 'a.pth'
    with pytest.raises(OSError, match='No space') as caught, whole_file(path):
        raise OSError(errno.ENOSPC, 'No space left on device')
    assert caught.value.filename == str(path)


def test_a_lock_follows_no_link_and_empties_no_file(tmp_path):
    victim, lock = tmp_path / 'victim', tmp_path / '.lock'
    victim.write_text('kept')
    lock.symlink_to(victim)
    with pytest.raises(InputError, match=r'\.lock: cannot be locked'), locked(lock, ''):
        pass
    assert victim.read_text() == 'kept'
    with (
        locked(victim, 'busy'),
        pytest.raises(InputError, match='busy'),
        locked(victim, 'busy'),
    ):
        pass
    assert victim.read_text() == 'kept'
