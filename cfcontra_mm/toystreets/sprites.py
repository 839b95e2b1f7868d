"""Sprites: people, two-wheelers, signs and vehicles, built of flat parts.

A part is (label id, paint, points). Sprites are in metres, upright in the image plane,
with the origin on the ground below their middle. The faces of vehicles are in units of
their box: across from -1 to 1 (front and rear) or along from 0, the front, to 1 (the
side), and up from 0 to 1. Every part is a convex polygon.
"""

from __future__ import annotations

from typing import NamedTuple

from cfcontra_mm.toystreets.labels import IDS

Point = tuple[float, float]
Points = tuple[Point, ...]
Part = tuple[int, str, Points]

# (cos, sin) of the multiples of 22.5 degrees in the first quadrant.
_QUADRANT = ((1.0, 0.0), (0.9239, 0.3827), (0.7071, 0.7071), (0.3827, 0.9239))
_CIRCLE = (
    _QUADRANT
    + tuple((-s, c) for c, s in _QUADRANT)
    + tuple((-c, -s) for c, s in _QUADRANT)
    + tuple((s, -c) for c, s in _QUADRANT)
)


def box(left: float, bottom: float, right: float, top: float) -> Points:
    """Return the corners of a rectangle."""
    return (left, bottom), (right, bottom), (right, top), (left, top)


def disc(x: float, y: float, radius_x: float, radius_y: float | None = None) -> Points:
    """Return a circle, or an ellipse, as a polygon of sixteen corners."""
    radius_y = radius_x if radius_y is None else radius_y
    return tuple((x + radius_x * c, y + radius_y * s) for c, s in _CIRCLE)


def bar(x0: float, y0: float, x1: float, y1: float, width: float) -> Points:
    """Return a bar between two points, ``width`` wide across its longer direction."""
    half = width / 2
    if abs(x1 - x0) > abs(y1 - y0):
        return (x0, y0 - half), (x1, y1 - half), (x1, y1 + half), (x0, y0 + half)
    return (x0 - half, y0), (x0 + half, y0), (x1 + half, y1), (x1 - half, y1)


def parts(name: str, *painted: tuple[str, Points]) -> tuple[Part, ...]:
    """Return the parts of a sprite of one class."""
    return tuple((IDS[name], paint, points) for paint, points in painted)


_HEAD = (('skin', disc(0, 1.6, 0.13, 0.17)), ('hair', box(-0.13, 1.63, 0.13, 1.79)))
_TORSO = (
    ('shirt', ((-0.24, 0.82), (0.24, 0.82), (0.29, 1.46), (-0.29, 1.46))),
    ('shirt', bar(-0.31, 0.85, -0.27, 1.42, 0.13)),
    ('shirt', bar(0.31, 0.85, 0.27, 1.42, 0.13)),
)
PEOPLE = (
    parts(
        'person',
        ('trousers', bar(-0.13, 0, -0.12, 0.86, 0.18)),
        ('trousers', bar(0.13, 0, 0.12, 0.86, 0.18)),
        *_TORSO,
        *_HEAD,
    ),
    parts(
        'person',
        ('trousers', bar(-0.33, 0, -0.05, 0.9, 0.19)),
        ('trousers', bar(0.3, 0, 0.05, 0.9, 0.19)),
        *_TORSO,
        *_HEAD,
    ),
    parts(
        'person',
        ('trousers', bar(0, 0, 0, 0.6, 0.24)),
        ('shirt', ((-0.36, 0.45), (0.36, 0.45), (0.24, 1.46), (-0.24, 1.46))),
        *_HEAD,
        ('hair', box(-0.16, 1.4, -0.09, 1.76)),
        ('hair', box(0.09, 1.4, 0.16, 1.76)),
    ),
)

BICYCLE_SIDE = parts(
    'bicycle',
    ('tyre', disc(-0.56, 0.36, 0.37)),
    ('spokes', disc(-0.56, 0.36, 0.27)),
    ('tyre', disc(0.56, 0.36, 0.37)),
    ('spokes', disc(0.56, 0.36, 0.27)),
    ('bicycle', bar(-0.56, 0.36, -0.2, 0.82, 0.11)),
    ('bicycle', bar(-0.56, 0.36, 0.05, 0.33, 0.1)),
    ('bicycle', bar(-0.22, 0.8, 0.4, 0.84, 0.11)),
    ('bicycle', bar(0.05, 0.33, 0.4, 0.84, 0.11)),
    ('bicycle', bar(0.56, 0.36, 0.38, 1.02, 0.1)),
    ('tyre', bar(-0.4, 0.93, -0.1, 0.93, 0.1)),
    ('tyre', bar(0.26, 1.04, 0.5, 1.06, 0.1)),
)
BICYCLE_REAR = parts(
    'bicycle',
    ('tyre', box(-0.07, 0, 0.07, 0.74)),
    ('bicycle', box(-0.1, 0.5, 0.1, 0.95)),
    ('tyre', bar(-0.3, 1.04, 0.3, 1.04, 0.1)),
    ('tail_lamp', box(-0.07, 0.55, 0.07, 0.68)),
)
MOTORCYCLE_SIDE = parts(
    'motorcycle',
    ('tyre', disc(-0.72, 0.35, 0.36)),
    ('hub', disc(-0.72, 0.35, 0.14)),
    ('tyre', disc(0.74, 0.35, 0.36)),
    ('hub', disc(0.74, 0.35, 0.14)),
    ('engine', box(-0.4, 0.25, 0.42, 0.62)),
    ('motorcycle', ((-0.95, 0.72), (-0.3, 0.55), (0.35, 0.6), (-0.2, 0.84))),
    ('motorcycle', ((-0.1, 0.58), (0.5, 0.58), (0.58, 0.98), (0.1, 1.0))),
    ('motorcycle', ((0.45, 0.55), (0.7, 0.62), (0.62, 1.12), (0.5, 1.1))),
    ('tyre', ((-0.85, 0.8), (0.1, 0.78), (0.1, 0.92), (-0.7, 0.93))),
    ('tyre', bar(0.74, 0.35, 0.58, 0.95, 0.1)),
    ('hub', bar(-0.95, 0.33, -0.1, 0.28, 0.11)),
    ('head_lamp', disc(0.68, 0.98, 0.1)),
)
MOTORCYCLE_REAR = parts(
    'motorcycle',
    ('tyre', box(-0.13, 0, 0.13, 0.68)),
    ('engine', box(-0.34, 0.3, 0.34, 0.58)),
    ('motorcycle', ((-0.34, 0.55), (0.34, 0.55), (0.25, 0.95), (-0.25, 0.95))),
    ('tail_lamp', box(-0.14, 0.72, 0.14, 0.84)),
    ('tyre', bar(-0.48, 1.08, 0.48, 1.08, 0.12)),
)
RIDER_SIDE = parts(
    'rider',
    ('rider_trousers', bar(-0.22, 0.98, 0.22, 0.72, 0.24)),
    ('rider_trousers', bar(0.2, 0.8, 0.02, 0.28, 0.19)),
    ('rider_shirt', ((-0.42, 0.9), (-0.05, 0.9), (0.26, 1.45), (-0.1, 1.56))),
    ('rider_shirt', bar(0.1, 1.42, 0.5, 1.08, 0.15)),
    ('skin', disc(0.2, 1.66, 0.13, 0.17)),
    ('helmet', ((0.02, 1.66), (0.38, 1.7), (0.32, 1.86), (0.08, 1.88))),
)
RIDER_REAR = parts(
    'rider',
    ('rider_trousers', bar(-0.24, 0.4, -0.18, 1.0, 0.2)),
    ('rider_trousers', bar(0.24, 0.4, 0.18, 1.0, 0.2)),
    ('rider_shirt', ((-0.25, 0.88), (0.25, 0.88), (0.3, 1.5), (-0.3, 1.5))),
    ('rider_shirt', bar(-0.42, 1.08, -0.28, 1.45, 0.14)),
    ('rider_shirt', bar(0.42, 1.08, 0.28, 1.45, 0.14)),
    ('skin', disc(0, 1.62, 0.13, 0.15)),
    ('helmet', disc(0, 1.7, 0.17, 0.16)),
)
BIN = (
    (IDS['static'], 'bin', ((-0.28, 0), (0.28, 0), (0.33, 0.95), (-0.33, 0.95))),
    (IDS['static'], 'tyre', box(-0.36, 0.9, 0.36, 1.02)),
)
SIGN_FACES = (
    parts(
        'traffic sign',
        ('sign_red', disc(0, 0, 0.5)),
        ('sign_white', disc(0, 0, 0.34)),
    ),
    parts(
        'traffic sign',
        ('sign_blue', disc(0, 0, 0.5)),
        ('sign_white', bar(0, -0.3, 0, 0.3, 0.2)),
    ),
    parts(
        'traffic sign',
        ('sign_red', ((-0.58, -0.45), (0.58, -0.45), (0, 0.6))),
        ('sign_white', ((-0.33, -0.3), (0.33, -0.3), (0, 0.3))),
    ),
    parts(
        'traffic sign',
        ('sign_white', ((0, -0.55), (0.55, 0), (0, 0.55), (-0.55, 0))),
        ('sign_yellow', ((0, -0.4), (0.4, 0), (0, 0.4), (-0.4, 0))),
    ),
    parts(
        'traffic sign',
        ('sign_white', box(-0.45, -0.55, 0.45, 0.55)),
        ('sign_blue', box(-0.38, -0.48, 0.38, 0.48)),
        ('sign_white', box(-0.18, -0.25, 0.18, 0.25)),
    ),
)
LIGHT_FACES = tuple(
    parts(
        'traffic light',
        ('light_box', box(-0.3, -0.72, 0.3, 0.72)),
        *(
            (lamp if lit == row else 'lamp_off', disc(0, 0.45 - 0.45 * row, 0.18))
            for row, lamp in enumerate(('lamp_red', 'lamp_amber', 'lamp_green'))
        ),
    )
    for lit in range(3)
)


class Vehicle(NamedTuple):
    """A vehicle: the ranges of its sizes in metres, and the parts of its faces."""

    width: tuple[float, float]
    height: tuple[float, float]
    length: tuple[float, float]
    front: tuple[Part, ...]
    rear: tuple[Part, ...]
    side: tuple[Part, ...]


_FEET = (('tyre', box(-0.92, 0, -0.62, 0.3)), ('tyre', box(0.62, 0, 0.92, 0.3)))
_BIG_FEET = (('tyre', box(-0.94, 0, -0.6, 0.16)), ('tyre', box(0.6, 0, 0.94, 0.16)))
_CAR_SHELL = (
    *_FEET,
    ('car', box(-1, 0.16, 1, 0.6)),
    ('car', ((-0.96, 0.58), (0.96, 0.58), (0.76, 1), (-0.76, 1))),
    ('glass', ((-0.84, 0.61), (0.84, 0.61), (0.68, 0.93), (-0.68, 0.93))),
)
CAR = Vehicle(
    (1.75, 1.95),
    (1.4, 1.65),
    (3.9, 4.7),
    front=parts(
        'car',
        *_CAR_SHELL,
        ('head_lamp', box(-0.93, 0.4, -0.58, 0.54)),
        ('head_lamp', box(0.58, 0.4, 0.93, 0.54)),
        ('tyre', box(-0.5, 0.3, 0.5, 0.46)),
    ),
    rear=parts(
        'car',
        *_CAR_SHELL,
        ('tail_lamp', box(-0.97, 0.4, -0.68, 0.57)),
        ('tail_lamp', box(0.68, 0.4, 0.97, 0.57)),
        ('plate', box(-0.28, 0.32, 0.28, 0.44)),
    ),
    side=parts(
        'car',
        ('car', ((0, 0.16), (1, 0.16), (1, 0.62), (0, 0.56))),
        ('car', ((0.2, 0.56), (0.98, 0.56), (0.93, 1), (0.38, 1))),
        ('glass', ((0.29, 0.62), (0.58, 0.62), (0.58, 0.93), (0.41, 0.93))),
        ('glass', ((0.62, 0.62), (0.93, 0.62), (0.88, 0.93), (0.62, 0.93))),
        ('tyre', disc(0.2, 0.21, 0.085, 0.21)),
        ('hub', disc(0.2, 0.21, 0.045, 0.11)),
        ('tyre', disc(0.8, 0.21, 0.085, 0.21)),
        ('hub', disc(0.8, 0.21, 0.045, 0.11)),
    ),
)
TRUCK = Vehicle(
    (2.45, 2.6),
    (3.3, 3.8),
    (7.5, 9.5),
    front=parts(
        'truck',
        *_BIG_FEET,
        ('cargo', box(-1, 0.4, 1, 1)),
        ('truck', box(-0.94, 0.12, 0.94, 0.8)),
        ('glass', ((-0.86, 0.5), (0.86, 0.5), (0.8, 0.74), (-0.8, 0.74))),
        ('tyre', box(-0.55, 0.2, 0.55, 0.4)),
        ('head_lamp', box(-0.9, 0.16, -0.62, 0.25)),
        ('head_lamp', box(0.62, 0.16, 0.9, 0.25)),
    ),
    rear=parts(
        'truck',
        *_BIG_FEET,
        ('engine', box(-0.96, 0.14, 0.96, 0.24)),
        ('cargo', box(-1, 0.24, 1, 1)),
        ('cargo_edge', box(-0.03, 0.24, 0.03, 1)),
        ('cargo_edge', box(-1, 0.24, -0.93, 1)),
        ('cargo_edge', box(0.93, 0.24, 1, 1)),
        ('tail_lamp', box(-0.95, 0.15, -0.68, 0.22)),
        ('tail_lamp', box(0.68, 0.15, 0.95, 0.22)),
    ),
    side=parts(
        'truck',
        ('engine', box(0.02, 0.14, 1, 0.25)),
        ('truck', ((0, 0.12), (0.24, 0.12), (0.24, 0.8), (0.03, 0.8))),
        ('glass', box(0.05, 0.5, 0.18, 0.72)),
        ('cargo', box(0.28, 0.25, 1, 1)),
        ('cargo_edge', box(0.28, 0.25, 1, 0.31)),
        ('tyre', disc(0.14, 0.13, 0.06, 0.14)),
        ('tyre', disc(0.68, 0.13, 0.06, 0.14)),
        ('tyre', disc(0.84, 0.13, 0.06, 0.14)),
    ),
)
_BUS_SHELL = (*_BIG_FEET, ('bus', box(-1, 0.09, 1, 1)))
BUS = Vehicle(
    (2.45, 2.6),
    (3.0, 3.3),
    (9.0, 11.5),
    front=parts(
        'bus',
        *_BUS_SHELL,
        ('glass', box(-0.92, 0.38, 0.92, 0.82)),
        ('destination', box(-0.6, 0.85, 0.6, 0.96)),
        ('head_lamp', box(-0.92, 0.18, -0.6, 0.27)),
        ('head_lamp', box(0.6, 0.18, 0.92, 0.27)),
    ),
    rear=parts(
        'bus',
        *_BUS_SHELL,
        ('glass', box(-0.8, 0.55, 0.8, 0.84)),
        ('destination', box(-0.3, 0.87, 0.3, 0.96)),
        ('engine', box(-0.6, 0.16, 0.6, 0.34)),
        ('tail_lamp', box(-0.95, 0.25, -0.8, 0.5)),
        ('tail_lamp', box(0.8, 0.25, 0.95, 0.5)),
    ),
    side=parts(
        'bus',
        ('bus', box(0, 0.09, 1, 1)),
        *(('glass', box(k / 7 + 0.02, 0.45, k / 7 + 0.13, 0.82)) for k in range(7)),
        ('glass', box(0.02, 0.14, 0.1, 0.8)),
        ('tyre', disc(0.2, 0.14, 0.05, 0.15)),
        ('tyre', disc(0.78, 0.14, 0.05, 0.15)),
    ),
)
_TRAIN_SHELL = (
    ('engine', box(-0.85, 0, 0.85, 0.1)),
    ('train', ((-1, 0.07), (1, 0.07), (1, 0.75), (-1, 0.75))),
    ('train', ((-1, 0.74), (1, 0.74), (0.72, 0.96), (-0.72, 0.96))),
    ('engine', box(-0.4, 0.94, 0.4, 1)),
    ('stripe', box(-1, 0.28, 1, 0.4)),
    ('glass', ((-0.82, 0.44), (0.82, 0.44), (0.62, 0.84), (-0.62, 0.84))),
    ('head_lamp', disc(0, 0.9, 0.1, 0.05)),
    ('head_lamp', disc(-0.68, 0.2, 0.14, 0.05)),
    ('head_lamp', disc(0.68, 0.2, 0.14, 0.05)),
)
TRAIN = Vehicle(
    (2.5, 2.7),
    (3.5, 3.9),
    (22.0, 30.0),
    front=parts('train', *_TRAIN_SHELL),
    rear=parts('train', *_TRAIN_SHELL),
    side=parts(
        'train',
        ('engine', box(0, 0, 1, 0.1)),
        ('train', box(0, 0.07, 1, 0.96)),
        ('stripe', box(0, 0.28, 1, 0.4)),
        ('glass', box(0.01, 0.48, 0.99, 0.78)),
        *(('train', box(k / 8, 0.45, k / 8 + 0.02, 0.8)) for k in range(1, 8)),
        *(('engine', box(k / 4 + 0.1, 0.12, k / 4 + 0.14, 0.8)) for k in range(4)),
    ),
)
