"""Image files, opened with a bound on their size and one kind of error."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from cfcontra_mm.errors import InputError

MAX_PIXELS = 178_956_970
"""Pixels of the largest image that is decoded, Pillow's own limit: 0.5 GB in RGB."""


@contextmanager
def open_image(
    path: str | Path, advice: str = 'restore the file'
) -> Iterator[Image.Image]:
    """Open an image, whose pixels are decoded within the block.

    Args:
        path: The file.
        advice: What to do about a file that cannot be read, for the message.

    Yields:
        The image.

    Raises:
        InputError: The file is missing, truncated, not an image or too large.
    """
    try:
        with Image.open(path) as image:
            _check_size(image)
            yield image
    except FileNotFoundError as error:
        raise InputError(f'{path}: no such file or directory; {advice}') from error
    except InputError:
        raise
    except Image.DecompressionBombError as error:
        raise InputError(f'{path}: {_too_large(advice)}') from error
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f'{path}: truncated or not an image; {advice}') from error


def check_header(content: bytes, path: str) -> None:
    """Check the size of an image before another library decodes it.

    Args:
        content: The file's bytes; what is not an image is left to the decoder.
        path: The file, for the message.

    Raises:
        InputError: The image is too large.
    """
    try:
        with Image.open(io.BytesIO(content)) as image:
            _check_size(image)
    except Image.DecompressionBombError as error:
        raise InputError(f'{path}: {_too_large("restore the file")}') from error
    except (OSError, SyntaxError, ValueError):
        return


def _check_size(image: Image.Image) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise Image.DecompressionBombError(f'{width}x{height}')


def _too_large(advice: str) -> str:
    return f'larger than {MAX_PIXELS} pixels; {advice}'
