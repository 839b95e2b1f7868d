from unittest import mock

import numpy as np
import pytest
from PIL import Image

from cfcontra_mm.engine import inference
from cfcontra_mm.engine.inference import find_images, label_images
from cfcontra_mm.errors import InputError
from cfcontra_mm.files import temporary_name


def image(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new('RGB', (4, 4)).save(path)
    return path


def test_folder_keeps_its_subfolders(tmp_path):
    one = image(tmp_path / 'in' / 'a' / 'x.png')
    two = image(tmp_path / 'in' / 'b' / 'x.JPG')
    (tmp_path / 'in' / 'notes.txt').write_text('no image')
    out = tmp_path / 'out'
    assert find_images(tmp_path / 'in', out) == {
        one: out / 'a' / 'x',
        two: out / 'b' / 'x',
    }
    assert find_images(one, out) == {one: out / 'x'}


def test_what_was_written_before_is_not_labelled(tmp_path):
    one = image(tmp_path / 'x.png')
    image(tmp_path / 'out' / 'x.png')
    image(tmp_path / 'out' / 'x_overlay.jpg')
    assert list(find_images(tmp_path, tmp_path / 'out')) == [one]


def test_other_images_in_the_output_folder_are_not_left_out_silently(tmp_path):
    image(tmp_path / 'x.png')
    other = image(tmp_path / 'out' / 'y.png')
    with pytest.raises(InputError, match=r'y\.png: lies in --out'):
        find_images(tmp_path, tmp_path / 'out')
    assert other.exists()


def test_the_output_folder_may_be_above_the_images(tmp_path):
    one = image(tmp_path / 'val/images/x.png')
    for _ in range(2):
        found = find_images(tmp_path / 'val/images', tmp_path / 'val')
        assert found == {one: tmp_path / 'val/x'}
        image(tmp_path / 'val/x.png')
        image(tmp_path / 'val/x_overlay.jpg')


@pytest.mark.parametrize('source', ['in', 'in/x.png', 'link'])
def test_no_image_is_overwritten(tmp_path, source):
    image(tmp_path / 'in/x.png')
    (tmp_path / 'link').symlink_to(tmp_path / 'in')
    with pytest.raises(InputError, match=r'x\.png: would be overwritten .* --out'):
        find_images(tmp_path / source, tmp_path / 'in')


def test_an_overlay_replaces_no_image(tmp_path):
    image(tmp_path / 'in/x.jpg')
    image(tmp_path / 'in/x_overlay.jpg')
    with pytest.raises(InputError, match=r'x_overlay\.jpg: would be overwritten'):
        find_images(tmp_path / 'in', tmp_path / 'in')


def test_nothing_to_label(tmp_path):
    with pytest.raises(InputError, match='no such file or directory'):
        find_images(tmp_path / 'none', tmp_path)
    (tmp_path / 'in').mkdir()
    with pytest.raises(InputError, match='no image in it'):
        find_images(tmp_path / 'in', tmp_path)


def test_two_images_of_one_name(tmp_path):
    image(tmp_path / 'in' / 'x.png')
    image(tmp_path / 'in' / 'x.jpg')
    with pytest.raises(InputError, match=r'x\.png and .*x\.jpg would both'):
        find_images(tmp_path / 'in', tmp_path / 'out')


def test_a_hidden_part_of_a_file_is_not_labelled(tmp_path):
    one = image(tmp_path / 'in' / 'x.png')
    image(temporary_name(tmp_path / 'in' / 'y.png'))
    assert list(find_images(tmp_path / 'in', tmp_path / 'out')) == [one]


@pytest.mark.parametrize('others', [0, 1])
def test_an_image_of_a_kind_that_is_not_supported(tmp_path, monkeypatch, others):
    path = tmp_path / 'x.tif'
    Image.fromarray(np.zeros((4, 4), np.float32)).save(path)
    images = {path: tmp_path / 'out/x'}
    if others:
        images[image(tmp_path / 'y.png')] = tmp_path / 'out/y'
    for name in ('plain_pipeline', 'inference_model', '_write'):
        monkeypatch.setattr(inference, name, mock.MagicMock())
    with pytest.raises(InputError, match='TIFF images of mode F are not') as caught:
        label_images(mock.MagicMock(), images)
    assert ('the other 1 are labelled' in str(caught.value)) == bool(others)
    assert 'the other 0' not in str(caught.value)
