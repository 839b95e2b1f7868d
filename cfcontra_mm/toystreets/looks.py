"""The looks: colours and grain of all things, and effects of light and lens.

``game`` is a clean rendering; ``camera`` is a photograph. They differ globally (light,
tint, contrast, haze, lens and sensor, which a global style transfer can undo) and class
by class: every paint has its own colours and its own grain in each look. ``dashcam`` is
a photograph by a cheaper camera in a dusty town, for development: its paints are those
of ``camera``, each with a tint of its own.
"""

from __future__ import annotations

import functools
import io
from typing import NamedTuple

import numpy as np
from PIL import Image

from cfcontra_mm.toystreets.dice import Dice
from cfcontra_mm.toystreets.draw import Surface
from cfcontra_mm.toystreets.scene import Scene, Shape

Colour = tuple[int, int, int]


class Paint(NamedTuple):
    """Colours and grain of a material.

    Attributes:
        game: Colours to choose from in the look ``game``, RGB, 0-255.
        camera: Colours to choose from in the look ``camera``.
        grain: Strength of the grain in the looks ``game`` and ``camera``, a share.
        cell: Size of the grain in metres.
    """

    game: tuple[Colour, ...]
    camera: tuple[Colour, ...]
    grain: tuple[float, float] = (0.04, 0.06)
    cell: float = 0.3


class Grid(NamedTuple):
    """A pattern of rectangles in a second paint on the plane of a shape.

    Attributes:
        period: Period across and along, in metres.
        share: Share of the period that the rectangle covers, across and along.
        paint: Name of the second paint.
    """

    period: tuple[float, float]
    share: tuple[float, float]
    paint: str


PAINTS = {
    # ground
    'asphalt': Paint(
        game=((72, 74, 80), (84, 84, 88), (64, 67, 76)),
        camera=((96, 94, 94), (110, 106, 104), (85, 84, 88)),
        grain=(0.10, 0.16),
        cell=0.12,
    ),
    'marking': Paint(game=((225, 225, 215),), camera=((210, 207, 196),)),
    'dashes': Paint(game=((72, 74, 80),), camera=((96, 94, 94),)),
    'zebra': Paint(game=((72, 74, 80),), camera=((96, 94, 94),)),
    'rail': Paint(game=((45, 46, 52),), camera=((65, 62, 61),)),
    'paving': Paint(
        game=((168, 164, 154), (152, 150, 146), (176, 166, 148)),
        camera=((147, 137, 134), (147, 138, 136), (143, 134, 129)),
        grain=(0.08, 0.14),
        cell=0.35,
    ),
    'slab': Paint(
        game=((178, 174, 164), (162, 160, 156), (186, 176, 158)),
        camera=((157, 147, 144), (157, 148, 146), (153, 144, 139)),
    ),
    'kerb': Paint(game=((200, 198, 190),), camera=((179, 173, 167),), cell=1.0),
    'grass': Paint(
        game=((96, 150, 54), (116, 160, 66), (84, 134, 48)),
        camera=((113, 133, 62), (114, 135, 66), (113, 130, 67)),
        grain=(0.22, 0.34),
        cell=0.16,
    ),
    # houses, walls, fences
    'plaster': Paint(
        game=((206, 176, 130), (190, 150, 116), (214, 196, 160), (180, 140, 96)),
        camera=((185, 168, 144), (187, 162, 138), (181, 172, 158), (178, 148, 123)),
        grain=(0.05, 0.10),
        cell=0.6,
    ),
    'brick': Paint(
        game=((150, 78, 58), (164, 94, 66), (134, 70, 60)),
        camera=((138, 87, 74), (150, 101, 80), (122, 79, 74)),
        grain=(0.22, 0.30),
        cell=0.3,
    ),
    'office': Paint(
        game=((150, 158, 166), (172, 170, 162), (130, 136, 150)),
        camera=((143, 146, 148), (164, 160, 150), (124, 129, 136)),
        grain=(0.04, 0.08),
        cell=0.8,
    ),
    'window': Paint(
        game=((54, 66, 86), (70, 88, 112), (46, 54, 70)),
        camera=((60, 67, 78), (82, 92, 105), (49, 53, 63)),
        grain=(0.16, 0.28),
        cell=1.2,
    ),
    'shop': Paint(
        game=((170, 60, 50), (60, 96, 130), (66, 110, 80), (190, 150, 70)),
        camera=((150, 69, 62), (72, 96, 121), (78, 104, 83), (167, 138, 82)),
    ),
    'door': Paint(
        game=((92, 54, 36), (60, 50, 50), (50, 74, 62)),
        camera=((88, 60, 46), (63, 55, 54), (59, 73, 65)),
    ),
    'cornice': Paint(game=((110, 84, 66),), camera=((109, 91, 80),)),
    'wall': Paint(
        game=((142, 138, 150), (154, 148, 150), (126, 124, 140)),
        camera=((154, 143, 136), (151, 142, 131), (152, 145, 141)),
        grain=(0.14, 0.22),
        cell=0.45,
    ),
    'wall_panel': Paint(
        game=((162, 158, 170), (174, 168, 170), (146, 144, 160)),
        camera=((174, 163, 156), (171, 162, 151), (172, 165, 161)),
    ),
    'coping': Paint(game=((190, 186, 194),), camera=((198, 190, 182),)),
    'pickets': Paint(
        game=((96, 66, 40), (112, 80, 50), (70, 60, 56)),
        camera=((82, 71, 60), (100, 84, 68), (65, 66, 62)),
        grain=(0.10, 0.16),
        cell=0.25,
    ),
    'slat': Paint(
        game=((186, 142, 96), (204, 164, 118), (160, 138, 124)),
        camera=((156, 140, 118), (176, 157, 130), (135, 134, 123)),
    ),
    'fence_rail': Paint(game=((150, 110, 70),), camera=((124, 109, 90),)),
    # plants and sky
    'leaf': Paint(
        game=((44, 112, 36), (58, 128, 44), (36, 98, 44), (76, 130, 40)),
        camera=((60, 98, 44), (75, 110, 51), (50, 86, 50), (88, 110, 46)),
        grain=(0.30, 0.50),
        cell=0.35,
    ),
    'trunk': Paint(
        game=((88, 62, 42), (104, 76, 54)),
        camera=((82, 66, 54), (98, 79, 63)),
        grain=(0.2, 0.3),
        cell=0.2,
    ),
    'sky': Paint(
        game=((92, 152, 226), (110, 168, 236), (130, 180, 236)),
        camera=((148, 181, 220), (150, 184, 224), (173, 198, 224)),
        grain=(0.01, 0.02),
        cell=20.0,
    ),
    'cloud': Paint(game=((226, 234, 244),), camera=((226, 230, 234),), cell=30.0),
    # poles, signs, lights
    'pole': Paint(
        game=((66, 70, 72), (84, 88, 92), (52, 58, 56)),
        camera=((98, 101, 100), (98, 100, 99), (101, 103, 99)),
    ),
    'sign_red': Paint(game=((206, 26, 32),), camera=((190, 43, 42),)),
    'sign_blue': Paint(game=((24, 78, 190),), camera=((38, 81, 164),)),
    'sign_yellow': Paint(game=((246, 204, 30),), camera=((225, 190, 55),)),
    'sign_white': Paint(game=((240, 240, 240),), camera=((224, 222, 218),)),
    'light_box': Paint(
        game=((24, 26, 28), (34, 40, 34)), camera=((41, 45, 40), (53, 54, 41))
    ),
    'lamp_off': Paint(game=((66, 58, 48),), camera=((74, 68, 60),)),
    'lamp_red': Paint(game=((255, 40, 30),), camera=((247, 67, 54),)),
    'lamp_amber': Paint(game=((255, 180, 20),), camera=((249, 188, 60),)),
    'lamp_green': Paint(game=((30, 240, 120),), camera=((72, 233, 154),)),
    # people
    'skin': Paint(
        game=((224, 172, 136), (150, 100, 70), (240, 196, 164)),
        camera=((205, 158, 130), (134, 94, 71), (222, 182, 157)),
    ),
    'hair': Paint(
        game=((40, 28, 22), (110, 76, 40), (180, 150, 90)),
        camera=((45, 36, 32), (103, 78, 52), (164, 145, 108)),
    ),
    'shirt': Paint(
        game=((196, 44, 50), (40, 80, 170), (236, 232, 224), (220, 160, 40)),
        camera=((144, 46, 53), (46, 70, 126), (191, 187, 182), (142, 113, 57)),
        grain=(0.06, 0.12),
        cell=0.15,
    ),
    'trousers': Paint(
        game=((40, 48, 84), (84, 72, 60), (30, 30, 34)),
        camera=((47, 53, 78), (82, 74, 66), (35, 35, 39)),
    ),
    'rider_shirt': Paint(
        game=((240, 120, 20), (30, 160, 150), (200, 220, 40), (150, 40, 140)),
        camera=((193, 101, 41), (51, 132, 127), (175, 184, 63), (122, 52, 117)),
        grain=(0.06, 0.12),
        cell=0.15,
    ),
    'rider_trousers': Paint(
        game=((30, 30, 36), (50, 60, 100)), camera=((38, 37, 42), (60, 67, 94))
    ),
    'helmet': Paint(
        game=((240, 240, 240), (220, 30, 30), (250, 200, 20)),
        camera=((214, 214, 214), (178, 46, 44), (156, 134, 51)),
    ),
    # vehicles
    'car': Paint(
        game=((186, 24, 30), (30, 70, 160), (232, 232, 236), (40, 42, 48),
              (210, 160, 30), (70, 140, 90)),
        camera=((148, 72, 78), (44, 66, 113), (201, 201, 203), (37, 39, 44),
                (163, 108, 44), (71, 111, 99)),
        grain=(0.03, 0.07),
        cell=0.5,
    ),
    'glass': Paint(
        game=((36, 46, 58), (56, 72, 88)),
        camera=((48, 56, 64), (68, 77, 86), (47, 56, 65)),
        grain=(0.10, 0.24),
        cell=0.5,
    ),
    'tyre': Paint(game=((22, 22, 24),), camera=((34, 34, 34),)),
    'hub': Paint(game=((176, 178, 182),), camera=((155, 154, 154),)),
    'engine': Paint(game=((58, 58, 62),), camera=((66, 64, 65),)),
    'head_lamp': Paint(game=((250, 246, 220),), camera=((236, 234, 217),)),
    'tail_lamp': Paint(game=((200, 20, 24),), camera=((177, 39, 38),)),
    'plate': Paint(game=((236, 226, 150),), camera=((220, 214, 173),)),
    'truck': Paint(
        game=((30, 90, 180), (200, 60, 30), (230, 230, 230)),
        camera=((92, 119, 158), (142, 83, 81), (181, 154, 147)),
    ),
    'cargo': Paint(
        game=((222, 222, 226), (180, 190, 204), (206, 196, 168)),
        camera=((190, 180, 167), (158, 167, 172), (192, 184, 168)),
        grain=(0.03, 0.08),
        cell=0.8,
    ),
    'cargo_edge': Paint(game=((130, 132, 140),), camera=((116, 114, 113),)),
    'bus': Paint(
        game=((236, 186, 24), (224, 120, 26), (244, 206, 80)),
        camera=((206, 124, 41), (186, 86, 43), (219, 151, 76)),
    ),
    'destination': Paint(game=((30, 26, 20),), camera=((116, 95, 51),)),
    'train': Paint(
        game=((36, 132, 84), (30, 110, 110), (70, 150, 90)),
        camera=((115, 158, 118), (96, 139, 138), (136, 171, 132)),
    ),
    'stripe': Paint(game=((240, 236, 220),), camera=((148, 163, 154),)),
    'motorcycle': Paint(
        game=((210, 30, 36), (30, 60, 200), (250, 140, 20)),
        camera=((163, 38, 42), (46, 65, 148), (164, 111, 53)),
    ),
    'bicycle': Paint(
        game=((20, 170, 180), (230, 60, 120), (250, 210, 40)),
        camera=((55, 144, 151), (183, 72, 106), (167, 149, 63)),
    ),
    'spokes': Paint(game=((150, 154, 160),), camera=((136, 134, 134),)),
    # void
    'bin': Paint(
        game=((40, 70, 60), (90, 90, 96)), camera=((57, 73, 65), (93, 89, 90))
    ),
    'hood': Paint(
        game=((40, 42, 46), (120, 30, 30)),
        camera=((50, 52, 56), (106, 63, 64)),
        grain=(0.02, 0.04),
    ),
}  # fmt: skip

GRIDS = {
    'plaster': Grid((2.8, 3.0), (0.42, 0.52), 'window'),
    'brick': Grid((2.4, 3.1), (0.40, 0.55), 'window'),
    'office': Grid((1.9, 3.2), (0.80, 0.60), 'window'),
    'shop': Grid((3.2, 9.0), (0.84, 0.25), 'window'),
    'paving': Grid((0.9, 0.9), (0.93, 0.93), 'slab'),
    'wall': Grid((1.6, 0.8), (0.94, 0.90), 'wall_panel'),
    'pickets': Grid((0.42, 50.0), (0.62, 1.0), 'slat'),
    'dashes': Grid((50.0, 6.0), (1.0, 0.5), 'marking'),
    'zebra': Grid((1.0, 50.0), (0.5, 1.0), 'marking'),
}


class Style(NamedTuple):
    """Effects of light, air, lens and sensor in a look, drawn from ranges per image.

    Attributes:
        paints: The look whose colours and grain the paints have.
        tint: Largest change of a paint's channel, a share, the same in all images.
        gain: Range of the factor of each channel.
        contrast: Range of the factor around mid grey.
        saturation: Range of the factor around the grey value.
        sight: Range of the distance in metres at which haze absorbs half of the light.
        haze: Colour of the haze.
        vignette: Range of the share of light lost in the corners.
        blur: Range of the weight of a three-pixel blur.
        noise: Range of the half width of the sensor noise, in grey levels.
        quality: Range of the JPEG quality, 0 for no compression.
    """

    paints: str
    tint: float
    gain: tuple[tuple[float, float], ...]
    contrast: tuple[float, float]
    saturation: tuple[float, float]
    sight: tuple[float, float]
    haze: Colour
    vignette: tuple[float, float]
    blur: tuple[float, float]
    noise: tuple[float, float]
    quality: tuple[int, int]


STYLES = {
    'game': Style(
        paints='game',
        tint=0.0,
        gain=((0.90, 1.12), (0.90, 1.12), (0.90, 1.12)),
        contrast=(1.0, 1.15),
        saturation=(1.0, 1.2),
        sight=(350, 900),
        haze=(178, 204, 232),
        vignette=(0.0, 0.05),
        blur=(0.15, 0.3),
        noise=(0.0, 2.0),
        quality=(0, 0),
    ),
    'camera': Style(
        paints='camera',
        tint=0.0,
        gain=((0.84, 1.08), (0.85, 1.08), (0.79, 1.04)),
        contrast=(0.88, 1.08),
        saturation=(0.80, 1.05),
        sight=(110, 280),
        haze=(196, 196, 188),
        vignette=(0.10, 0.25),
        blur=(0.2, 0.6),
        noise=(2.0, 7.0),
        quality=(65, 92),
    ),
    'dashcam': Style(
        paints='camera',
        tint=0.2,
        gain=((0.92, 1.16), (0.86, 1.08), (0.72, 0.98)),
        contrast=(1.02, 1.24),
        saturation=(0.66, 0.92),
        sight=(70, 180),
        haze=(212, 196, 168),
        vignette=(0.22, 0.42),
        blur=(0.4, 0.85),
        noise=(5.0, 12.0),
        quality=(48, 80),
    ),
}
CAMERAS = tuple(look for look in STYLES if look != 'game')
"""The looks that a target may have."""


def shade(scene: Scene, surface: Surface, look: str, dice: Dice) -> np.ndarray:
    """Colour a scene in a look.

    Args:
        scene: The scene.
        surface: What each pixel shows of it.
        look: One of ``STYLES``.
        dice: Random numbers of the image.

    Returns:
        The image, RGB, uint8, (H, W, 3).
    """
    style = STYLES[look]
    image = _reflected(scene, surface, look, dice.integer(0, 1 << 30))
    image = _haze(image, surface.depth, style, dice)
    image = _develop(image, style, dice)
    image = _vignette(image, dice.real(*style.vignette))
    image = _blur(image, dice.real(*style.blur))
    image = _noise(image, dice, dice.real(*style.noise))
    pixels = np.rint(np.clip(image, 0, 255)).astype(np.uint8)
    pixels = np.ascontiguousarray(pixels.transpose(1, 2, 0))
    quality = dice.integer(*style.quality)
    return _jpeg(pixels, quality) if quality else pixels


def _reflected(scene: Scene, surface: Surface, look: str, salt: int) -> np.ndarray:
    """Apply paint, pattern and grain; return grey levels, (3, H, W), float32."""
    rows = np.array([_coat(s, look) for s in scene.shapes], np.float32).T
    coat = rows[:, surface.shape]
    colour, second, grid = coat[:3], coat[3:6], coat[6:10]
    grain, cell = coat[10:]
    mark = _pattern(surface, grid)
    colour = colour + mark * (second - colour)
    return colour * (1 + grain * _grain(surface, cell, salt))


def _coat(shape: Shape, look: str) -> tuple[float, ...]:
    """Return a shape's two colours, their pattern, and its grain."""
    paint, grid = PAINTS[shape.paint], GRIDS.get(shape.paint)
    first = _pick(shape.paint, look, shape)
    second = _pick(grid.paint, look, shape) if grid else first
    pattern = (*grid.period, *grid.share) if grid else (1.0, 1.0, 0.0, 0.0)
    grain = paint.grain[STYLES[look].paints == 'camera']
    return *first, *second, *pattern, grain, paint.cell


def _pick(paint: str, look: str, shape: Shape) -> tuple[float, ...]:
    """Pick a colour of the paint, slightly varied, and apply the shape's shade."""
    colours = getattr(PAINTS[paint], STYLES[look].paints)
    place = shape.pick * len(colours)
    chosen = int(place)
    light = shape.shade * (0.9 + 0.2 * (place - chosen))
    tint = _tint(paint, STYLES[look].tint)
    return tuple(light * a * b for a, b in zip(colours[chosen], tint, strict=True))


@functools.cache
def _tint(paint: str, largest: float) -> tuple[float, ...]:
    """Return the factor of each channel by which a paint differs from the look's."""
    dice = Dice(list(PAINTS).index(paint))
    return tuple(1 + dice.real(-largest, largest) for _ in range(3))


def _pattern(surface: Surface, grid: np.ndarray) -> np.ndarray:
    """Return the weight of the grid's rectangles in each pixel, in [0, 1], (H, W).

    Where a period covers less than a few pixels, the pattern fades to its mean.
    """
    across, along = surface.across / grid[0], surface.along / grid[1]
    inside = (across - np.floor(across) < grid[2]) & (along - np.floor(along) < grid[3])
    sharp = np.clip(surface.scale * np.minimum(grid[0], grid[1]) / 2 - 1, 0, 1)
    mean = grid[2] * grid[3]
    return mean + sharp * (inside - mean)


def _grain(surface: Surface, cell: np.ndarray, salt: int) -> np.ndarray:
    """Return noise in [-1, 1] that sticks to the surfaces, at two scales.

    Cells smaller than a pixel average out.
    """
    fine = _cells(surface, cell, salt)
    coarse = _cells(surface, cell * 4, salt + 1)
    return fine * np.minimum(surface.scale * cell, 1) * 0.6 + coarse * 0.4


def _cells(surface: Surface, cell: np.ndarray, salt: int) -> np.ndarray:
    """Return a random number in [-1, 1] for every square cell of every plane."""
    column = np.floor(surface.across / cell).astype(np.int64).astype(np.uint32)
    row = np.floor(surface.along / cell).astype(np.int64).astype(np.uint32)
    mixed = column * np.uint32(0x9E3779B1) ^ row * np.uint32(0x85EBCA77)
    mixed = (mixed ^ np.uint32(salt)) * np.uint32(0x2C1B3C6D)
    mixed = (mixed ^ (mixed >> np.uint32(15))) * np.uint32(0x297A2D39)
    return (mixed >> np.uint32(16)).astype(np.float32) / np.float32(32767.5) - 1


def _haze(image: np.ndarray, depth: np.ndarray, style: Style, dice: Dice) -> np.ndarray:
    clear = 1 / (1 + depth / np.float32(dice.real(*style.sight)))
    air = np.array(style.haze, np.float32)[:, None, None]
    return air + clear * (image - air)


def _develop(image: np.ndarray, style: Style, dice: Dice) -> np.ndarray:
    """Apply the gain of each channel, the saturation and the contrast."""
    gain = np.array([dice.real(*span) for span in style.gain], np.float32)
    image = image * gain[:, None, None]
    grey = (image[0] + image[1] * 2 + image[2]) / 4
    image = grey + np.float32(dice.real(*style.saturation)) * (image - grey)
    return 118 + np.float32(dice.real(*style.contrast)) * (image - 118)


def _vignette(image: np.ndarray, loss: float) -> np.ndarray:
    height, width = image.shape[1:]
    x = (np.arange(width, dtype=np.float32) + 0.5) / width * 2 - 1
    y = (np.arange(height, dtype=np.float32) + 0.5) / height * 2 - 1
    radius = (x * x + (y * y)[:, None]) / 2
    return image * (1 - np.float32(loss) * radius)


def _blur(image: np.ndarray, share: float) -> np.ndarray:
    """Mix in a binomial blur, whose radius grows with the image's width."""
    step = max(1, image.shape[2] // 512)
    wide = np.pad(image, ((0, 0), (step, step), (step, step)), mode='edge')
    rows = wide[:, : -2 * step] + 2 * wide[:, step:-step] + wide[:, 2 * step :]
    both = rows[..., : -2 * step] + 2 * rows[..., step:-step] + rows[..., 2 * step :]
    blurred = both / 16
    return image + np.float32(share) * (blurred - image)


def _noise(image: np.ndarray, dice: Dice, level: float) -> np.ndarray:
    """Add triangular noise, stronger in bright pixels than in dark ones."""
    planes = dice.noise(2, *image.shape).astype(np.float32)
    spread = np.float32(level / 255) * (0.5 + image / 255)
    return image + spread * (planes[0] - planes[1])


def _jpeg(pixels: np.ndarray, quality: int) -> np.ndarray:
    with io.BytesIO() as stream:
        Image.fromarray(pixels).save(stream, 'JPEG', quality=quality, subsampling=0)
        return np.asarray(Image.open(stream).convert('RGB'))
