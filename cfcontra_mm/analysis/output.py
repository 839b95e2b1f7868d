"""Write figures and images to files."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from cfcontra_mm.errors import InputError
from cfcontra_mm.files import whole_file
from cfcontra_mm.old_names import old_attributes

RESOLUTION = 150
"""Resolution of figures in dots per inch."""


def write_image(image: Figure | Image.Image, path: Path) -> None:
    """Write a figure or an image atomically; create the folder if needed.

    Args:
        image: The figure or image.
        path: File, whose suffix determines the format, such as ``.png``, or ``.pdf``
            for figures.

    Raises:
        InputError: The format is not supported.
    """
    try:
        with whole_file(path) as temporary:
            if isinstance(image, Figure):
                image.savefig(temporary, dpi=RESOLUTION)
            else:
                image.save(temporary)
    except ValueError as error:
        raise InputError(
            f'{path}: unsupported output format; use a name that ends in .png'
        ) from error


__getattr__ = old_attributes(__name__)
