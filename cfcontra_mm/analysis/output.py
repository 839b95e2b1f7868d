"""Pictures on their way to a file."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from cfcontra_mm.errors import InputError
from cfcontra_mm.files import whole_file

RESOLUTION = 150
"""Of figures, in dots per inch."""


def write_picture(picture: Figure | Image.Image, path: Path) -> None:
    """Write a figure or an image, whole or not at all; makes the folder if needed.

    Args:
        picture: What to write.
        path: Its name's ending chooses the format, such as .png, or .pdf for a paper.

    Raises:
        InputError: The ending names no format.
    """
    try:
        with whole_file(path) as temporary:
            if isinstance(picture, Figure):
                picture.savefig(temporary, dpi=RESOLUTION)
            else:
                picture.save(temporary)
    except ValueError as error:
        raise InputError(
            f'{path}: its ending names no format of pictures; call it .png'
        ) from error
