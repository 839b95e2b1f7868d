"""Image files, opened with a bound on their size and one kind of error."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import ExifTags, Image

from cfcontra_mm.errors import InputError

MAX_PIXELS = 178_956_970
"""Pixels of the largest image that is decoded, Pillow's own limit: 0.5 GB in RGB."""

DECODE_ERRORS = (OSError, SyntaxError, ValueError, AssertionError, cv2.error)
"""What decoders raise on a file that is truncated or not an image."""

ENDINGS = dict(PNG=b'IEND\xaeB`\x82', JPEG=b'\xff\xd9', MPO=b'\xff\xd9')
"""The last bytes of a whole file, by Pillow's name of the format."""

TAIL = 16
"""Number of bytes at the end of a file among which its ending is looked for."""

RESTORE = 'restore the file'


class Header(NamedTuple):
    """What the header of an image file says.

    Attributes:
        size: Width and height, not rotated.
        turned: Whether its EXIF data exchange width and height.
        mode: Pillow's mode, such as ``'RGB'``.
        format: Pillow's name of the format, such as ``'PNG'``.
    """

    size: tuple[int, int]
    turned: bool
    mode: str
    format: str

    @property
    def shown_size(self) -> tuple[int, int]:
        """Width and height, rotated as :func:`read_image` and ``LoadImage`` rotate."""
        return self.size[::-1] if self.turned else self.size


@contextmanager
def open_image(path: str | Path, advice: str = RESTORE) -> Iterator[Image.Image]:
    """Open an image, whose pixels are decoded within the block.

    Args:
        path: The file.
        advice: What to do about a file that cannot be read, for the message.

    Yields:
        The image.

    Raises:
        InputError: The file is missing, truncated, not an image or too large.
    """
    with name_errors(path, advice), Image.open(path) as image:
        _check_size(image)
        yield image


@contextmanager
def name_errors(path: str | Path, advice: str = RESTORE) -> Iterator[None]:
    """Turn what reading an image file raises into one line.

    Args:
        path: The file.
        advice: What to do about it.

    Raises:
        InputError: The file is missing, truncated, not an image or too large.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(f'{path}: no such file or directory; {advice}') from error
    except InputError:
        raise
    except Image.DecompressionBombError as error:
        raise InputError(
            f'{path}: larger than {MAX_PIXELS} pixels; {advice}'
        ) from error
    except DECODE_ERRORS as error:
        reason = getattr(error, 'strerror', None)  # of the system, not of a decoder
        found = f'cannot be read ({reason})' if reason else 'truncated or not an image'
        raise InputError(f'{path}: {found}; {advice}') from error


def read_header(path: str | Path) -> Header:
    """Read the header of an image file without decoding its pixels.

    Raises:
        InputError: The file is missing, truncated, not an image or too large.
    """
    with name_errors(path), open(path, 'rb') as file, Image.open(file) as image:
        header = Header(image.size, _is_turned(image), image.mode, image.format or '')
        file.seek(max(0, file.seek(0, io.SEEK_END) - TAIL))
        check_whole(image, file.read())
        return header


def _is_turned(image: Image.Image) -> bool:
    """Tell whether EXIF data before the pixels exchange width and height.

    ``getexif`` would decode a PNG to look for data behind its pixels.
    """
    exif = Image.Exif()
    try:
        exif.load(image.info.get('exif', b''))
        return exif.get(ExifTags.Base.Orientation, 1) in (5, 6, 7, 8)
    except (*DECODE_ERRORS, struct.error):  # which OpenCV overlooks
        return False


def read_image(path: str | Path, advice: str = RESTORE) -> np.ndarray:
    """Read an image as ``LoadImage`` does by default, in RGB.

    It is rotated as its EXIF data say; 16 bits are scaled to 8, a palette becomes
    colours, and transparency is left out.

    Args:
        path: The image file.
        advice: What to do about a file that cannot be read, for the message.

    Returns:
        The image, RGB, uint8, (H, W, 3).

    Raises:
        InputError: The file is missing, truncated, not an image, too large or of a kind
            that is not supported.
    """
    with name_errors(path, advice):
        content = Path(path).read_bytes()
        check_content(content)
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
        if image is None:
            _refuse_kind(path, content)
            raise ValueError('cannot be decoded')
        return np.ascontiguousarray(image[..., ::-1])


def _refuse_kind(path: str | Path, content: bytes) -> None:
    """Refuse an image that is whole, but of a kind that OpenCV does not decode."""
    with Image.open(io.BytesIO(content)) as image:
        image.load()
        raise InputError(
            f'{path}: {image.format} images of mode {image.mode} are not supported; '
            'convert it to 8 bits a channel'
        )


def check_content(content: bytes) -> None:
    """Check a file before a library decodes it that would fill the memory.

    Some versions of OpenCV return the upper part of a truncated image, and libpng
    prints a line about a damaged one, whose checksums are therefore compared. What
    Pillow cannot open is left to the decoder.

    Args:
        content: The file's bytes.

    Raises:
        Image.DecompressionBombError: The image is too large.
        OSError: The image is truncated.
        SyntaxError: A checksum is wrong. :func:`name_errors` names the file for all.
    """
    try:
        image = Image.open(io.BytesIO(content))
    except DECODE_ERRORS:
        return
    with image:
        check_whole(image, content[-TAIL:])
    if image.format == 'PNG':
        with Image.open(io.BytesIO(content)) as image:
            image.verify()


def check_whole(image: Image.Image, tail: bytes) -> None:
    """Check that an image is not too large, and not truncated, given its last bytes.

    Without the usual ending it is decoded: something may have been appended.
    """
    _check_size(image)
    ending = ENDINGS.get(image.format or '')
    if ending is not None and ending not in tail:
        image.load()


def _check_size(image: Image.Image) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise Image.DecompressionBombError(f'{width}x{height}')
