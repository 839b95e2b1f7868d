"""Render an image and its labels."""

from __future__ import annotations

import numpy as np

from cfcontra_mm.errors import InputError
from cfcontra_mm.toystreets import draw, looks, scene
from cfcontra_mm.toystreets.dice import Dice

# Increase it with every change of a pixel: data on disk are recognised by it.
VERSION = 1


def render(
    look: str, index: int, seed: int = 0, size: tuple[int, int] = (256, 128)
) -> tuple[np.ndarray, np.ndarray]:
    """Render street number ``index`` of a look.

    The street is the same at every size; streets of different looks are unrelated.

    Args:
        look: ``'game'``, ``'camera'`` or ``'dashcam'``, see :mod:`.looks`.
        index: Number of the street, not negative.
        seed: Seed of all streets, not negative.
        size: Width and height in pixels, at least 16; scenes are made for a width of
            twice the height.

    Returns:
        The image, RGB, uint8, (H, W, 3), and its Cityscapes label ids (not trainIds),
        uint8, (H, W). Both are the same on every machine.

    Raises:
        InputError: The look is unknown or a number is out of range.
    """
    if look not in looks.STYLES:
        known = ', '.join(looks.STYLES)
        raise InputError(f'look: unknown look {look!r}; choose from {known}')
    check_numbers(index, seed, size)
    key = seed, list(looks.STYLES).index(look), index
    street = scene.compose(Dice(*key, 0), look)
    canvas = draw.rasterise(street, size)
    label = np.array([shape.label for shape in street.shapes], np.uint8)[canvas]
    surface = draw.locate(street, canvas)
    return looks.shade(street, surface, look, Dice(*key, 1)), label


def check_numbers(index: int, seed: int, size: tuple[int, int]) -> None:
    """Raise an ``InputError`` if a number given to ``render`` is out of range."""
    if index < 0 or seed < 0:
        raise InputError(f'index {index}, seed {seed}: must not be negative')
    if min(size) < 16:
        raise InputError(
            f'size {size[0]}x{size[1]}: width and height must be at least 16 pixels'
        )
