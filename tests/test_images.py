"""Image files from strangers: one line for whatever cannot be decoded."""

import struct
import zlib

import pytest
from PIL import Image

from cfcontra_mm.analysis.sheet import read_prediction
from cfcontra_mm.datasets import LoadImage, LoadLabels, LoadSYNTHIALabels
from cfcontra_mm.datasets.folders import _image_size
from cfcontra_mm.errors import InputError
from cfcontra_mm.images import MAX_PIXELS, check_header, open_image
from cfcontra_mm.translation.images import read_image


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
    'scanned image': lambda path: _image_size(str(path)),
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


def test_the_largest_image_passes():
    check_header(bomb(1, MAX_PIXELS), 'a.png')
    with pytest.raises(InputError, match='larger'):
        check_header(bomb(1, MAX_PIXELS + 1), 'a.png')


def test_an_image_is_given_as_it_is(tmp_path):
    Image.new('RGB', (3, 2), 'red').save(tmp_path / 'a.png')
    with open_image(tmp_path / 'a.png') as image:
        assert (image.size, image.getpixel((0, 0))) == ((3, 2), (255, 0, 0))
