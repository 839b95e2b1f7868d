"""The two looks: what colour and grain things have, and what the lens does to them.

`game` is a clean rendering; `camera` is a photograph. They differ as a whole (light,
tint, contrast, haze, lens and sensor, which a global style transfer can undo) and class
by class: every paint has its own colours and its own grain in each look.
"""

from __future__ import annotations

import io
from typing import NamedTuple

import numpy as np
from PIL import Image

from cfcontra_mm.datasets.toystreets.dice import Dice
from cfcontra_mm.datasets.toystreets.draw import Surface
from cfcontra_mm.datasets.toystreets.scene import Scene, Shape

Colour = tuple[int, int, int]


class Paint(NamedTuple):
    """Colours to choose from and the strength of the grain, per look; `cell` in m."""

    game: tuple[Colour, ...]
    camera: tuple[Colour, ...]
    grain: tuple[float, float] = (0.04, 0.06)
    cell: float = 0.3


class Grid(NamedTuple):
    """A pattern of rectangles in a second paint on the plane of a shape.

    The `period` across and along is in metres, `share` is the part of it that the
    rectangle takes, `paint` its name.
    """

    period: tuple[float, float]
    share: tuple[float, float]
    paint: str


PAINTS = {
    # ground
    'asphalt': Paint(
        game=((72, 74, 80), (84, 84, 88), (64, 67, 76)),
        camera=((109, 104, 101), (124, 118, 112), (96, 93, 94)),
        grain=(0.10, 0.16),
        cell=0.12,
    ),
    'marking': Paint(game=((225, 225, 215),), camera=((202, 197, 185),)),
    'dashes': Paint(game=((72, 74, 80),), camera=((109, 104, 101),)),
    'zebra': Paint(game=((72, 74, 80),), camera=((109, 104, 101),)),
    'rail': Paint(game=((45, 46, 52),), camera=((76, 70, 66),)),
    'paving': Paint(
        game=((168, 164, 154), (152, 150, 146), (176, 166, 148)),
        camera=((136, 122, 124), (144, 131, 130), (125, 116, 119)),
        grain=(0.08, 0.14),
        cell=0.35,
    ),
    'slab': Paint(
        game=((178, 174, 164), (162, 160, 156), (186, 176, 158)),
        camera=((146, 132, 134), (154, 141, 140), (135, 126, 129)),
    ),
    'kerb': Paint(game=((200, 198, 190),), camera=((168, 160, 155),), cell=1.0),
    'grass': Paint(
        game=((96, 150, 54), (116, 160, 66), (84, 134, 48)),
        camera=((122, 124, 67), (113, 122, 66), (129, 128, 77)),
        grain=(0.22, 0.34),
        cell=0.16,
    ),
    # houses, walls, fences
    'plaster': Paint(
        game=((206, 176, 130), (190, 150, 116), (214, 196, 160), (180, 140, 96)),
        camera=((174, 163, 151), (185, 168, 150), (163, 159, 157), (177, 153, 138)),
        grain=(0.05, 0.10),
        cell=0.6,
    ),
    'brick': Paint(
        game=((150, 78, 58), (164, 94, 66), (134, 70, 60)),
        camera=((131, 92, 82), (143, 105, 87), (116, 84, 81)),
        grain=(0.22, 0.30),
        cell=0.3,
    ),
    'office': Paint(
        game=((150, 158, 166), (172, 170, 162), (130, 136, 150)),
        camera=((139, 140, 139), (159, 154, 144), (120, 125, 129)),
        grain=(0.04, 0.08),
        cell=0.8,
    ),
    'window': Paint(
        game=((54, 66, 86), (70, 88, 112), (46, 54, 70)),
        camera=((64, 68, 73), (88, 94, 101), (51, 52, 59)),
        grain=(0.16, 0.28),
        cell=1.2,
    ),
    'shop': Paint(
        game=((170, 60, 50), (60, 96, 130), (66, 110, 80), (190, 150, 70)),
        camera=((140, 74, 68), (78, 96, 116), (84, 100, 85), (155, 131, 88)),
    ),
    'door': Paint(
        game=((92, 54, 36), (60, 50, 50), (50, 74, 62)),
        camera=((86, 64, 52), (65, 58, 56), (64, 72, 67)),
    ),
    'cornice': Paint(game=((110, 84, 66),), camera=((108, 95, 87),)),
    'wall': Paint(
        game=((142, 138, 150), (154, 148, 150), (126, 124, 140)),
        camera=((160, 146, 128), (149, 138, 121), (166, 156, 142)),
        grain=(0.14, 0.22),
        cell=0.45,
    ),
    'wall_panel': Paint(
        game=((162, 158, 170), (174, 168, 170), (146, 144, 160)),
        camera=((180, 166, 148), (169, 158, 141), (186, 176, 162)),
    ),
    'coping': Paint(game=((190, 186, 194),), camera=((203, 192, 176),)),
    'pickets': Paint(
        game=((96, 66, 40), (112, 80, 50), (70, 60, 56)),
        camera=((75, 74, 70), (93, 86, 77), (62, 70, 66)),
        grain=(0.10, 0.16),
        cell=0.25,
    ),
    'slat': Paint(
        game=((186, 142, 96), (204, 164, 118), (160, 138, 124)),
        camera=((140, 139, 130), (161, 153, 137), (122, 132, 122)),
    ),
    'fence_rail': Paint(game=((150, 110, 70),), camera=((110, 108, 100),)),
    # plants and sky
    'leaf': Paint(
        game=((44, 112, 36), (58, 128, 44), (36, 98, 44), (76, 130, 40)),
        camera=((68, 90, 49), (84, 101, 55), (57, 80, 54), (95, 100, 50)),
        grain=(0.30, 0.50),
        cell=0.35,
    ),
    'trunk': Paint(
        game=((88, 62, 42), (104, 76, 54)),
        camera=((78, 68, 60), (94, 81, 68)),
        grain=(0.2, 0.3),
        cell=0.2,
    ),
    'sky': Paint(
        game=((92, 152, 226), (110, 168, 236), (130, 180, 236)),
        camera=((178, 197, 216), (171, 192, 217), (196, 207, 217)),
        grain=(0.01, 0.02),
        cell=20.0,
    ),
    'cloud': Paint(game=((226, 234, 244),), camera=((226, 228, 228),), cell=30.0),
    # poles, signs, lights
    'pole': Paint(
        game=((66, 70, 72), (84, 88, 92), (52, 58, 56)),
        camera=((116, 118, 115), (105, 106, 103), (127, 127, 122)),
    ),
    'sign_red': Paint(game=((206, 26, 32),), camera=((182, 52, 48),)),
    'sign_blue': Paint(game=((24, 78, 190),), camera=((46, 83, 150),)),
    'sign_yellow': Paint(game=((246, 204, 30),), camera=((214, 182, 68),)),
    'sign_white': Paint(game=((240, 240, 240),), camera=((216, 213, 206),)),
    'light_box': Paint(
        game=((24, 26, 28), (34, 40, 34)), camera=((50, 55, 47), (63, 62, 45))
    ),
    'lamp_off': Paint(game=((66, 58, 48),), camera=((79, 74, 66),)),
    'lamp_red': Paint(game=((255, 40, 30),), camera=((243, 82, 67),)),
    'lamp_amber': Paint(game=((255, 180, 20),), camera=((246, 193, 81),)),
    'lamp_green': Paint(game=((30, 240, 120),), camera=((94, 229, 173),)),
    # people
    'skin': Paint(
        game=((224, 172, 136), (150, 100, 70), (240, 196, 164)),
        camera=((195, 151, 126), (126, 90, 72), (213, 175, 153)),
    ),
    'hair': Paint(
        game=((40, 28, 22), (110, 76, 40), (180, 150, 90)),
        camera=((48, 41, 38), (99, 79, 59), (156, 142, 117)),
    ),
    'shirt': Paint(
        game=((196, 44, 50), (40, 80, 170), (236, 232, 224), (220, 160, 40)),
        camera=((116, 47, 55), (50, 64, 103), (167, 163, 160), (100, 88, 66)),
        grain=(0.06, 0.12),
        cell=0.15,
    ),
    'trousers': Paint(
        game=((40, 48, 84), (84, 72, 60), (30, 30, 34)),
        camera=((51, 56, 74), (81, 75, 70), (38, 38, 42)),
    ),
    'rider_shirt': Paint(
        game=((240, 120, 20), (30, 160, 150), (200, 220, 40), (150, 40, 140)),
        camera=((168, 91, 52), (62, 117, 115), (162, 164, 75), (107, 59, 105)),
        grain=(0.06, 0.12),
        cell=0.15,
    ),
    'rider_trousers': Paint(
        game=((30, 30, 36), (50, 60, 100)), camera=((43, 41, 46), (66, 71, 90))
    ),
    'helmet': Paint(
        game=((240, 240, 240), (220, 30, 30), (250, 200, 20)),
        camera=((200, 200, 200), (156, 54, 52), (106, 98, 68)),
    ),
    # vehicles
    'car': Paint(
        game=((186, 24, 30), (30, 70, 160), (232, 232, 236), (40, 42, 48),
              (210, 160, 30), (70, 140, 90)),
        camera=((127, 98, 104), (52, 64, 88), (184, 184, 185), (35, 37, 42),
                (138, 80, 52), (72, 95, 104)),
        grain=(0.03, 0.07),
        cell=0.5,
    ),
    'glass': Paint(
        game=((36, 46, 58), (56, 72, 88)),
        camera=((55, 62, 68), (85, 94, 101), (42, 48, 53)),
        grain=(0.10, 0.24),
        cell=0.5,
    ),
    'tyre': Paint(game=((22, 22, 24),), camera=((41, 40, 40),)),
    'hub': Paint(game=((176, 178, 182),), camera=((144, 141, 139),)),
    'engine': Paint(game=((58, 58, 62),), camera=((71, 68, 67),)),
    'head_lamp': Paint(game=((250, 246, 220),), camera=((229, 227, 215),)),
    'tail_lamp': Paint(game=((200, 20, 24),), camera=((165, 49, 45),)),
    'plate': Paint(game=((236, 226, 150),), camera=((212, 208, 185),)),
    'truck': Paint(
        game=((30, 90, 180), (200, 60, 30), (230, 230, 230)),
        camera=((126, 135, 146), (110, 95, 108), (155, 113, 102)),
    ),
    'cargo': Paint(
        game=((222, 222, 226), (180, 190, 204), (206, 196, 168)),
        camera=((172, 158, 135), (146, 155, 154), (184, 178, 168)),
        grain=(0.03, 0.08),
        cell=0.8,
    ),
    'cargo_edge': Paint(game=((130, 132, 140),), camera=((109, 105, 98),)),
    'bus': Paint(
        game=((236, 186, 24), (224, 120, 26), (244, 206, 80)),
        camera=((190, 90, 50), (165, 67, 52), (206, 121, 74)),
    ),
    'destination': Paint(game=((30, 26, 20),), camera=((163, 132, 68),)),
    'train': Paint(
        game=((36, 132, 84), (30, 110, 110), (70, 150, 90)),
        camera=((158, 172, 137), (131, 155, 153), (172, 182, 154)),
    ),
    'stripe': Paint(game=((240, 236, 220),), camera=((99, 124, 118),)),
    'motorcycle': Paint(
        game=((210, 30, 36), (30, 60, 200), (250, 140, 20)),
        camera=((138, 43, 46), (54, 68, 120), (117, 95, 71)),
    ),
    'bicycle': Paint(
        game=((20, 170, 180), (230, 60, 120), (250, 210, 40)),
        camera=((74, 130, 135), (158, 78, 98), (122, 116, 75)),
    ),
    'spokes': Paint(game=((150, 154, 160),), camera=((128, 124, 120),)),
    # void
    'bin': Paint(
        game=((40, 70, 60), (90, 90, 96)), camera=((66, 75, 68), (95, 88, 86))
    ),
    'hood': Paint(
        game=((40, 42, 46), (120, 30, 30)),
        camera=((56, 58, 62), (98, 81, 83)),
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
    """What light, air, lens and sensor do in one look; ranges are drawn per picture.

    `gain` is per channel (low, high), `contrast` and `saturation` are factors,
    `sight` the distance in metres at which haze takes half the light, `haze` its
    colour, `vignette` the loss of light in the corners, `blur` the share of a
    three-pixel blur, `noise` the half width of the sensor's noise in grey levels and
    `quality` that of the JPEG, 0 for none.
    """

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
        gain=((0.78, 1.08), (0.80, 1.06), (0.72, 1.00)),
        contrast=(0.82, 1.05),
        saturation=(0.70, 1.0),
        sight=(70, 180),
        haze=(196, 196, 188),
        vignette=(0.15, 0.4),
        blur=(0.3, 0.8),
        noise=(5.0, 14.0),
        quality=(55, 88),
    ),
}


def shade(scene: Scene, surface: Surface, look: str, dice: Dice) -> np.ndarray:
    """The picture of a scene in a look, (H, W, 3) uint8 RGB."""
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
    """Paint, pattern and grain: (3, H, W) float32 grey levels."""
    rows = np.array([_coat(s, look) for s in scene.shapes], np.float32).T
    coat = rows[:, surface.shape]
    colour, second, grid, grain, cell = coat[:3], coat[3:6], coat[6:10], *coat[10:]
    mark = _pattern(surface, grid)
    colour = colour + mark * (second - colour)
    return colour * (1 + grain * _grain(surface, cell, salt))


def _coat(shape: Shape, look: str) -> tuple[float, ...]:
    """A shape's two colours, the grid between them, and its grain."""
    paint, grid = PAINTS[shape.paint], GRIDS.get(shape.paint)
    first = _pick(paint, look, shape)
    second = _pick(PAINTS[grid.paint], look, shape) if grid else first
    pattern = (*grid.period, *grid.share) if grid else (1.0, 1.0, 0.0, 0.0)
    return *first, *second, *pattern, paint.grain[look == 'camera'], paint.cell


def _pick(paint: Paint, look: str, shape: Shape) -> tuple[float, ...]:
    """One of the paint's colours, a little lighter or darker, in the shape's light."""
    colours = getattr(paint, look)
    place = shape.pick * len(colours)
    chosen = int(place)
    light = shape.shade * (0.9 + 0.2 * (place - chosen))
    return tuple(light * level for level in colours[chosen])


def _pattern(surface: Surface, grid: np.ndarray) -> np.ndarray:
    """How much each pixel shows the grid's rectangles, in [0, 1], (H, W).

    Far away, where a period falls below a few pixels, the pattern fades to its mean.
    """
    across, along = surface.across / grid[0], surface.along / grid[1]
    inside = (across - np.floor(across) < grid[2]) & (along - np.floor(along) < grid[3])
    sharp = np.clip(surface.scale * np.minimum(grid[0], grid[1]) / 2 - 1, 0, 1)
    mean = grid[2] * grid[3]
    return mean + sharp * (inside - mean)


def _grain(surface: Surface, cell: np.ndarray, salt: int) -> np.ndarray:
    """Noise in [-1, 1] fixed to the world's surfaces, in cells and in clumps of them.

    Cells below a pixel average out.
    """
    fine = _cells(surface, cell, salt)
    coarse = _cells(surface, cell * 4, salt + 1)
    return fine * np.minimum(surface.scale * cell, 1) * 0.6 + coarse * 0.4


def _cells(surface: Surface, cell: np.ndarray, salt: int) -> np.ndarray:
    """One random number in [-1, 1] for every square cell of every plane."""
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
    """Gain per channel, saturation around the grey value, contrast around mid grey."""
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
    """Mixes in a binomial blur, whose reach grows with the picture's width."""
    step = max(1, image.shape[2] // 512)
    wide = np.pad(image, ((0, 0), (step, step), (step, step)), mode='edge')
    rows = wide[:, : -2 * step] + 2 * wide[:, step:-step] + wide[:, 2 * step :]
    both = rows[..., : -2 * step] + 2 * rows[..., step:-step] + rows[..., 2 * step :]
    blurred = both / 16
    return image + np.float32(share) * (blurred - image)


def _noise(image: np.ndarray, dice: Dice, level: float) -> np.ndarray:
    """Triangular noise, stronger in the light than in the dark."""
    planes = dice.noise(2, *image.shape).astype(np.float32)
    spread = np.float32(level / 255) * (0.5 + image / 255)
    return image + spread * (planes[0] - planes[1])


def _jpeg(pixels: np.ndarray, quality: int) -> np.ndarray:
    with io.BytesIO() as stream:
        Image.fromarray(pixels).save(stream, 'JPEG', quality=quality, subsampling=0)
        return np.asarray(Image.open(stream).convert('RGB'))
