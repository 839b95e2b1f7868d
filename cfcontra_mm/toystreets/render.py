"""One picture and its labels."""

from __future__ import annotations

import numpy as np

from cfcontra_mm.errors import InputError
from cfcontra_mm.toystreets import draw, looks, scene
from cfcontra_mm.toystreets.dice import Dice

# Raise it with every change of a pixel: data on disk is told apart by it.
VERSION = 1


def render(
    look: str, index: int, seed: int = 0, size: tuple[int, int] = (256, 128)
) -> tuple[np.ndarray, np.ndarray]:
    """Draws street number `index` of one look.

    The street is the same at every size; streets of the two looks are not related.

    Args:
        look: 'game' or 'camera'.
        index: any non-negative integer.
        seed: any non-negative integer.
        size: width and height in pixels; the scene is made for twice as wide as high.

    Returns:
        The image, (H, W, 3) uint8 RGB, and the label, (H, W) uint8 Cityscapes label
        ids (not trainIds). Both are the same on every machine.

    Raises:
        InputError: the look is unknown or a number is out of range.
    """
    if look not in looks.STYLES:
        raise InputError(f'look {look!r} is unknown: choose game or camera')
    check_numbers(index, seed, size)
    key = seed, list(looks.STYLES).index(look), index
    street = scene.compose(Dice(*key, 0), look)
    canvas = draw.rasterise(street, size)
    label = np.array([shape.label for shape in street.shapes], np.uint8)[canvas]
    surface = draw.locate(street, canvas)
    return looks.shade(street, surface, look, Dice(*key, 1)), label


def check_numbers(index: int, seed: int, size: tuple[int, int]) -> None:
    """Raises InputError if a number given to `render` is out of range."""
    if index < 0 or seed < 0:
        raise InputError(f'index {index}, seed {seed}: neither may be negative')
    if min(size) < 16:
        raise InputError(f'size {size[0]}x{size[1]}: choose at least 16 pixels each')
