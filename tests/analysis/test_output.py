import pytest
from matplotlib.figure import Figure
from PIL import Image

from cfcontra_mm.analysis.output import write_picture
from cfcontra_mm.errors import InputError


@pytest.mark.parametrize('picture', [Figure((1, 1)), Image.new('RGB', (150, 150))])
def test_pictures_are_written_into_new_folders(tmp_path, picture):
    write_picture(picture, tmp_path / 'new' / 'picture.png')
    with Image.open(tmp_path / 'new' / 'picture.png') as image:
        assert image.size == (150, 150)
    assert [p.name for p in (tmp_path / 'new').iterdir()] == ['picture.png']


@pytest.mark.parametrize('name', ['picture.abc', 'picture'])
@pytest.mark.parametrize('picture', [Figure((1, 1)), Image.new('RGB', (9, 9))])
def test_an_unknown_ending_is_refused(tmp_path, picture, name):
    path = tmp_path / name
    with pytest.raises(InputError, match=f'{name}: its ending names no format'):
        write_picture(picture, path)
    assert not path.exists()
