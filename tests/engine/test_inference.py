import pytest
from PIL import Image

from cfcontra_mm.engine.inference import find_pictures
from cfcontra_mm.errors import InputError


def picture(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new('RGB', (4, 4)).save(path)
    return path


def test_folder_keeps_its_subfolders(tmp_path):
    one = picture(tmp_path / 'in' / 'a' / 'x.png')
    two = picture(tmp_path / 'in' / 'b' / 'x.JPG')
    (tmp_path / 'in' / 'notes.txt').write_text('no picture')
    out = tmp_path / 'out'
    assert find_pictures(tmp_path / 'in', out) == {
        one: out / 'a' / 'x',
        two: out / 'b' / 'x',
    }
    assert find_pictures(one, out) == {one: out / 'x'}


def test_what_was_written_before_is_not_labelled(tmp_path):
    one = picture(tmp_path / 'x.png')
    picture(tmp_path / 'out' / 'x.png')
    assert list(find_pictures(tmp_path, tmp_path / 'out')) == [one]


def test_nothing_to_label(tmp_path):
    with pytest.raises(InputError, match='no such picture'):
        find_pictures(tmp_path / 'none', tmp_path)
    (tmp_path / 'in').mkdir()
    with pytest.raises(InputError, match='no picture in it'):
        find_pictures(tmp_path / 'in', tmp_path)


def test_two_pictures_of_one_name(tmp_path):
    picture(tmp_path / 'in' / 'x.png')
    picture(tmp_path / 'in' / 'x.jpg')
    with pytest.raises(InputError, match=r'x\.png and .*x\.jpg would both'):
        find_pictures(tmp_path / 'in', tmp_path / 'out')
