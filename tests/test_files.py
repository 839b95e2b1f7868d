import pytest

from cfcontra_mm.files import whole_file


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
