"""Image files from strangers: one line for whatever cannot be decoded."""

import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from cfcontra_mm.analysis.sheet import read_prediction
from cfcontra_mm.datasets import LoadImage, LoadLabels, LoadSYNTHIALabels
from cfcontra_mm.errors import InputError
from cfcontra_mm.images import (
    MAX_PIXELS,
    check_content,
    open_image,
    read_header,
    read_image,
)


def chunk(kind, data):
    crc = struct.pack('>I', zlib.crc32(kind + data))
    return struct.pack('>I', len(data)) + kind + data + crc


def bomb(width=30_000, height=30_000):
    """A PNG of some hundred bytes that declares this size; OpenCV would decode it."""
    header = chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 8, 0, 0, 0, 0))
    data = chunk(b'IDAT', zlib.compress(b'\0' * 100))
    return b'\x89PNG\r\n\x1a\n' + header + data + chunk(b'IEND', b'')


READERS = {
    'image': lambda path: LoadImage().transform(dict(img_path=str(path))),
    'label': lambda path: LoadLabels().transform(
        dict(seg_map_path=str(path), seg_fields=[])
    ),
    'SYNTHIA label': lambda path: LoadSYNTHIALabels().transform(
        dict(seg_map_path=str(path), seg_fields=[])
    ),
    'translated image': lambda path: read_image(str(path)),
    'prediction': lambda path: read_prediction(path.parent, path.stem, (2, 2), 2),
    'scanned image': lambda path: read_header(path),
    'decoded image': lambda path: decode(path),
}


def decode(path):
    with open_image(path) as image:
        image.load()


@pytest.mark.parametrize('size', [(30_000, 30_000), (100_000, 100_000), (1, 10**9)])
@pytest.mark.parametrize('reader', READERS)
def test_an_image_that_would_fill_the_memory_is_not_decoded(reader, size, tmp_path):
    path = tmp_path / 'bomb.png'
    path.write_bytes(bomb(*size))
    with pytest.raises(
        InputError, match=r'bomb\.png: larger than \d+ pixels; '
    ) as found:
        READERS[reader](path)
    assert '\n' not in str(found.value)


@pytest.mark.parametrize('reader', READERS)
@pytest.mark.parametrize('content', [b'', b'no image', bomb(4, 4)[:40]])
def test_what_is_not_an_image_is_named(reader, content, tmp_path):
    path = tmp_path / 'a.png'
    path.write_bytes(content)
    with pytest.raises(InputError, match=r'a\.png: truncated or not an image; '):
        READERS[reader](path)
    path.unlink()
    with pytest.raises(InputError, match=r'a\.png: no such file or directory; '):
        READERS[reader](path)


@pytest.mark.parametrize('reader', READERS)
def test_what_the_system_does_not_read_is_named(reader, tmp_path):
    path = tmp_path / 'a.png'
    path.mkdir()
    with pytest.raises(
        InputError, match=r'a\.png: cannot be read \(Is a directory\); '
    ):
        READERS[reader](path)


def test_the_largest_image_passes():
    check_content(bomb(1, MAX_PIXELS))
    with pytest.raises(Image.DecompressionBombError):
        check_content(bomb(1, MAX_PIXELS + 1))


def test_an_image_is_given_as_it_is(tmp_path):
    Image.new('RGB', (3, 2), 'red').save(tmp_path / 'a.png')
    with open_image(tmp_path / 'a.png') as image:
        assert (image.size, image.getpixel((0, 0))) == ((3, 2), (255, 0, 0))


GREY = np.tile(np.arange(0, 240, 10, np.uint8), (16, 1))
RGB = np.dstack([GREY, GREY[:, ::-1], np.full_like(GREY, 200)])
CONTENTS = {
    '8-bit grey': ('.png', GREY),
    '16-bit grey': ('.png', GREY.astype(np.uint16) * 257),
    '16-bit grey TIFF': ('.tif', GREY.astype(np.uint16) * 257),
    '8-bit colour': ('.png', RGB),
    '16-bit colour': ('.png', RGB.astype(np.uint16) * 257),
    'transparency': ('.png', np.dstack([RGB, GREY])),
    '16-bit transparency': ('.png', np.dstack([RGB, GREY]).astype(np.uint16) * 257),
}


@pytest.mark.parametrize('kind', CONTENTS)
def test_the_network_and_the_eye_see_the_same_8_bits(kind, tmp_path):
    suffix, pixels = CONTENTS[kind]
    path = str(tmp_path / f'a{suffix}')
    assert cv2.imwrite(path, pixels)
    wanted = RGB[..., ::-1] if pixels.ndim == 3 else np.dstack([GREY] * 3)
    np.testing.assert_array_equal(read_image(path), wanted)
    seen = LoadImage().transform(dict(img_path=path))['img']
    np.testing.assert_array_equal(seen[..., ::-1], wanted)


@pytest.mark.parametrize('mode', ['P', '1', 'LA', 'CMYK'])
def test_other_modes_become_colours(mode, tmp_path):
    path = tmp_path / ('a.jpg' if mode == 'CMYK' else 'a.png')
    image = Image.fromarray(RGB).convert(mode)
    image.save(path, **(dict(quality=100) if mode == 'CMYK' else {}))
    wanted = np.asarray(image.convert('RGB')).astype(int)
    assert np.abs(read_image(path) - wanted).max() < (12 if mode == 'CMYK' else 1)


@pytest.mark.parametrize('orientation', range(1, 9))
@pytest.mark.parametrize('suffix', ['.jpg', '.png'])
def test_a_header_tells_the_size_of_the_rotated_image(orientation, suffix, tmp_path):
    path = tmp_path / f'a{suffix}'
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new('RGB', (12, 8)).save(path, exif=exif)
    height, width = read_image(path).shape[:2]
    assert read_header(path).shown_size == (width, height)
    assert read_header(path).size == (12, 8)


def test_broken_rotation_is_overlooked(tmp_path):
    Image.new('RGB', (12, 8)).save(tmp_path / 'a.jpg', exif=b'Exif\0\0nonsense')
    assert read_header(tmp_path / 'a.jpg').shown_size == (12, 8)


@pytest.mark.parametrize('suffix', ['.png', '.jpg'])
@pytest.mark.parametrize('reader', ['image', 'scanned image', 'decoded image'])
def test_what_is_appended_to_an_image_does_no_harm(reader, suffix, tmp_path):
    path = tmp_path / f'a{suffix}'
    Image.fromarray(RGB).save(path)
    path.write_bytes(path.read_bytes() + b'a camera wrote this behind the image')
    READERS[reader](path)


@pytest.mark.parametrize('suffix', ['.png', '.jpg'])
@pytest.mark.parametrize('share', [0.5, 0.9])
@pytest.mark.parametrize(
    'reader',
    ['image', 'scanned image', 'decoded image', 'translated image'],
)
def test_a_truncated_image_is_named(reader, share, suffix, tmp_path):
    path = tmp_path / f'a{suffix}'
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(InputError, match=rf'a{suffix}: truncated or not an image; '):
        READERS[reader](path)


def test_the_loading_of_images_is_quiet_about_truncation(tmp_path, capfd):
    path = tmp_path / 'a.png'
    Image.effect_noise((64, 64), 99).save(path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError):
        LoadImage().transform(dict(img_path=str(path)))
    assert capfd.readouterr() == ('', '')
