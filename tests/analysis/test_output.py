import pytest
from matplotlib.figure import Figure
from PIL import Image

from cfcontra_mm.analysis.output import write_image
from cfcontra_mm.errors import InputError


@pytest.mark.parametrize('image', [Figure((1, 1)), Image.new('RGB', (150, 150))])
def test_images_are_written_into_new_folders(tmp_path, image):
    write_image(image, tmp_path / 'new' / 'image.png')
    with Image.open(tmp_path / 'new' / 'image.png') as read:
        assert read.size == (150, 150)
    assert [p.name for p in (tmp_path / 'new').iterdir()] == ['image.png']


@pytest.mark.parametrize('name', ['image.abc', 'image'])
@pytest.mark.parametrize('image', [Figure((1, 1)), Image.new('RGB', (9, 9))])
def test_an_unsupported_format_is_refused(tmp_path, image, name):
    path = tmp_path / name
    with pytest.raises(InputError, match=f'{name}: unsupported output format'):
        write_image(image, path)
    assert not path.exists()
