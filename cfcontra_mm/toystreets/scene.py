"""The layout of a street: what stands where, before any colour is chosen.

The world is in metres: x to the right, y up from the ground, z away from the camera,
which looks along the street at x = 0. Everything is built of flat convex polygons
perpendicular to an axis. A scene lists them from far to near (painter's algorithm).
"""

from __future__ import annotations

from collections import defaultdict
from itertools import accumulate
from typing import NamedTuple

from cfcontra_mm.toystreets import sprites
from cfcontra_mm.toystreets.dice import Dice
from cfcontra_mm.toystreets.labels import IDS
from cfcontra_mm.toystreets.sprites import Part, Points, bar, box, disc

# How often things occur in an image of each look: probabilities, and for person and
# sign mean numbers. The looks differ as mildly as GTA5 and Cityscapes do.
OCCURRENCE = {
    'game': dict(
        train=0.34, bus=0.40, truck=0.52, motorcycle=0.62, bicycle=0.62, ridden=0.55,
        person=4.0, sign=2.2, light=0.62, tree=0.55, parked=0.60, moving=0.60,
        hood=0.30, bin=0.35,
    ),
    'camera': dict(
        train=0.36, bus=0.38, truck=0.42, motorcycle=0.58, bicycle=0.78, ridden=0.55,
        person=5.0, sign=2.8, light=0.58, tree=0.60, parked=0.72, moving=0.58,
        hood=0.30, bin=0.30,
    ),
    'dashcam': dict(
        train=0.36, bus=0.42, truck=0.48, motorcycle=0.64, bicycle=0.68, ridden=0.60,
        person=4.4, sign=2.4, light=0.62, tree=0.50, parked=0.66, moving=0.64,
        hood=0.35, bin=0.35,
    ),
}  # fmt: skip
# What stands along the back of the sidewalk, in percent.
FRONTAGE = {
    'game': dict(building=44, wall=18, fence=16, hedge=8, open=14),
    'camera': dict(building=48, wall=15, fence=16, hedge=9, open=12),
    'dashcam': dict(building=44, wall=20, fence=16, hedge=6, open=14),
}
LANE = 3.3
FAR = 110.0


class Camera(NamedTuple):
    """A pinhole camera.

    Attributes:
        focal: Focal length, in image widths.
        height: Height above the ground, in metres.
        centre: Position of x = 0, in image widths from the left.
        horizon: Position of the horizon, in image heights from the top.
    """

    focal: float
    height: float
    centre: float
    horizon: float


class Shape(NamedTuple):
    """A flat polygon in a plane perpendicular to an axis.

    Attributes:
        label: Cityscapes label id.
        paint: Name of the paint.
        axis: ``'x'``, ``'y'`` or ``'z'``.
        at: Position of the plane on the axis, in metres.
        points: Corners in metres: (z, y) for axis x, (x, z) for y, (x, y) for z.
        shade: Factor of the brightness.
        pick: Number in [0, 1) that selects one of the paint's colours.
    """

    label: int
    paint: str
    axis: str
    at: float
    points: Points
    shade: float = 1.0
    pick: float = 0.5


class Side(NamedTuple):
    """One side of the street.

    Attributes:
        sign: -1 for the left, 1 for the right.
        kerb: Distance of the kerb from x = 0, in metres.
        walk: Distance of the outer edge of the sidewalk.
        line: Distance of the building line.
        parking: Whether there is a parking lane.
        light: Brightness of the facades.
    """

    sign: int
    kerb: float
    walk: float
    line: float
    parking: bool
    light: float


class Scene(NamedTuple):
    """A camera and the shapes that it sees, from far to near."""

    camera: Camera
    shapes: list[Shape]


Things = list[tuple[float, list[Shape]]]
"""Things on the street: the distance and the shapes of each."""


def compose(dice: Dice, look: str) -> Scene:
    """Compose a street with the frequencies of a look.

    Args:
        dice: Random numbers of the street.
        look: One of ``OCCURRENCE``.
    """
    odds = OCCURRENCE[look]
    camera = Camera(
        focal=dice.real(0.74, 0.86),
        height=dice.real(1.45, 1.75),
        centre=dice.real(0.42, 0.58),
        horizon=dice.real(0.40, 0.47),
    )
    left, right = _side(dice, -1), _side(dice, 1)
    shapes = _sky(dice) + _ground(dice, left, right) + _backdrop(dice)
    for side in (left, right):
        shapes += _frontage(dice, side, FRONTAGE[look])
    things = _traffic(dice, left, right, odds) + _two_wheelers(
        dice, (left, right), odds
    )
    for side in (left, right):
        things += _greenery(dice, side, odds) + _furniture(dice, side, odds)
        things += _pedestrians(dice, side, odds)
    things.sort(key=lambda thing: -thing[0])
    for _, parts in things:
        shapes += parts
    if dice.chance(odds['hood']):
        shapes.append(_hood(dice, camera))
    return Scene(camera, shapes)


def sprite(
    dice: Dice, parts: tuple[Part, ...], x: float, y: float, z: float,
    scale: tuple[float, float] = (1.0, 1.0), shade: float = 1.0,
) -> list[Shape]:  # fmt: skip
    """Place an upright sprite at (x, y, z); parts of one paint get one colour."""
    pick: defaultdict[str, float] = defaultdict(dice.real)
    across, up = scale
    return [
        Shape(
            label, paint, 'z', z,
            tuple((x + across * a, y + up * b) for a, b in points), shade, pick[paint],
        )
        for label, paint, points in parts
    ]  # fmt: skip


def _side(dice: Dice, sign: int) -> Side:
    parking = dice.chance(0.6)
    lanes = 0.5 if sign > 0 else 1.5
    kerb = LANE * lanes + (2.3 if parking else 0.5)
    walk = kerb + dice.real(2.0, 3.2)
    verge = dice.real(0.8, 2.6) if dice.chance(0.75) else 0.0
    light = dice.real(0.72, 1.05)
    return Side(sign, kerb, walk, walk + verge, parking, light)


def _flat(
    name: str, paint: str, left: float, near: float, right: float, far: float,
    shade: float = 1.0, pick: float = 0.5,
) -> Shape:  # fmt: skip
    return Shape(IDS[name], paint, 'y', 0.0, box(left, near, right, far), shade, pick)


def _sky(dice: Dice) -> list[Shape]:
    """Make the sky, a ceiling over the world: haze thickens toward the horizon."""
    ceiling = Shape(
        IDS['sky'], 'sky', 'y', 60.0, box(-4000, 40, 4000, 9000), 1.0, dice.real()
    )
    clouds = []
    for _ in range(dice.integer(0, 5)):
        x, z = dice.real(-220, 220), dice.real(120, 420)
        for _ in range(3):
            puff = disc(
                x + dice.real(-40, 40),
                z + dice.real(-25, 25),
                dice.real(20, 50),
                dice.real(15, 40),
            )
            clouds.append(Shape(IDS['sky'], 'cloud', 'y', 60.0, puff))
    return [ceiling, *clouds]


def _ground(dice: Dice, left: Side, right: Side) -> list[Shape]:
    pick = dice.real()
    shapes = [_flat('terrain', 'grass', -3000, 2, 3000, 3000, pick=dice.real())]
    for side in (left, right):
        inner, outer = sorted((side.sign * side.kerb, side.sign * side.walk))
        shapes.append(_flat('sidewalk', 'paving', inner, 2, outer, 400, pick=pick))
    shapes.append(_flat('road', 'asphalt', -left.kerb, 2, right.kerb, 400, pick=pick))
    shapes += _road_surface(dice, left, right, pick)
    for side in (left, right):
        edge = side.sign * side.kerb
        shapes.append(_flat('sidewalk', 'kerb', edge - 0.12, 2, edge + 0.12, 400))
    return shapes


def _road_surface(dice: Dice, left: Side, right: Side, pick: float) -> list[Shape]:
    """Make patches, the shadow of the houses, lane markings and crossings."""
    shapes = []
    for _ in range(dice.integer(0, 4)):
        x, z = dice.real(-left.kerb, right.kerb - 1.5), dice.real(5, 30)
        ends = x + dice.real(0.5, 1.5), z + dice.real(1, 6)
        shapes.append(
            _flat('road', 'asphalt', x, z, *ends, dice.real(0.75, 1.15), pick)
        )
    if dice.chance(0.5):
        reach = dice.real(-0.6, 0.8) * LANE
        near, far = dice.real(2, 20), dice.real(25, 90)
        shade = dice.real(0.55, 0.75)
        shapes.append(
            _flat('road', 'asphalt', -left.kerb, near, reach, far, shade, pick)
        )
    middle = -LANE / 2
    shapes.append(_flat('road', 'dashes', middle - 0.1, 2, middle + 0.1, 150))
    for side in (left, right):
        edge = side.sign * (side.kerb - (2.3 if side.parking else 0.35))
        if dice.chance(0.7):
            shapes.append(_flat('road', 'marking', edge - 0.07, 2, edge + 0.07, 150))
    if dice.chance(0.35):
        z = dice.real(7, 22)
        shapes.append(_flat('road', 'zebra', -left.kerb, z, right.kerb, z + 3.0))
    return shapes


def _backdrop(dice: Dice) -> list[Shape]:
    """Make the trees and buildings at the far end of the street."""
    shapes = []
    x = -130.0
    while x < 130:
        width = dice.real(12, 40)
        if dice.chance(0.5):
            outline = disc(x + width / 2, 2, width * 0.6, dice.real(6, 12))
            shapes.append(Shape(IDS['vegetation'], 'leaf', 'z', 200, outline))
        elif dice.chance(0.6):
            outline = box(x, 0, x + width, dice.real(8, 24))
            shapes.append(
                Shape(IDS['building'], 'plaster', 'z', 200, outline, 0.9, dice.real())
            )
        x += width
    return shapes


def _frontage(dice: Dice, side: Side, weights: dict[str, int]) -> list[Shape]:
    """Make the segments along the back of the sidewalk, from far to near."""
    ends = [dice.real(4, 9)]
    while ends[-1] < FAR:
        ends.append(ends[-1] + dice.real(8, 18))
    shapes = []
    for near, far in zip(reversed(ends[:-1]), reversed(ends[1:]), strict=True):
        kind = _weighted(dice, weights)
        shapes += _SEGMENTS[kind](dice, side, near, far)
    return shapes


def _weighted(dice: Dice, weights: dict[str, int]) -> str:
    place = dice.integer(0, sum(weights.values()) - 1)
    ends = accumulate(weights.values())
    return next(name for name, end in zip(weights, ends, strict=True) if place < end)


def _block(
    label: str, paint: str, side: Side, near: float, far: float, height: float,
    depth: float, pick: float, lift: float = 0.0,
) -> list[Shape]:  # fmt: skip
    """Make the end wall and the street side of a box along the street."""
    inner = side.sign * side.line
    left, right = sorted((inner, inner + side.sign * depth))
    return [
        Shape(
            IDS[label], paint, 'z', near, box(left, lift, right, height), 0.85, pick
        ),
        Shape(
            IDS[label], paint, 'x', inner, box(near, lift, far, height), side.light,
            pick,
        ),
    ]  # fmt: skip


def _building(dice: Dice, side: Side, near: float, far: float) -> list[Shape]:
    height = dice.real(6.5, 17.0)
    paint = dice.choice(('plaster', 'brick', 'office', 'plaster'))
    pick = dice.real()
    shapes = _block('building', paint, side, near, far, height, 14, pick)
    shapes += _block(
        'building', 'cornice', side, near, far, height + 0.4, 14, pick, height
    )
    inner = side.sign * side.line
    if dice.chance(0.45):
        front = box(near + 0.5, 0, far - 0.5, 2.9)
        shapes.append(
            Shape(IDS['building'], 'shop', 'x', inner, front, side.light, dice.real())
        )
    door = dice.real(near + 1, far - 2)
    shapes.append(
        Shape(
            IDS['building'], 'door', 'x', inner, box(door, 0, door + 1.2, 2.3),
            side.light, dice.real(),
        )
    )  # fmt: skip
    return shapes


def _wall(dice: Dice, side: Side, near: float, far: float) -> list[Shape]:
    height, pick = dice.real(1.9, 3.2), dice.real()
    shapes = _background_trees(dice, side, near, far)
    shapes += _block('wall', 'wall', side, near, far, height, 0.4, pick)
    return shapes + _block(
        'wall', 'coping', side, near, far, height + 0.2, 0.4, pick, height
    )


def _fence(dice: Dice, side: Side, near: float, far: float) -> list[Shape]:
    height, pick = dice.real(1.5, 2.4), dice.real()
    shapes = _background_trees(dice, side, near, far)
    inner = side.sign * side.line
    panel = box(near, 0, far, height)
    shapes.append(Shape(IDS['fence'], 'pickets', 'x', inner, panel, side.light, pick))
    for low in (0.25, height - 0.2):
        rail = box(near, low, far, low + 0.14)
        shapes.append(
            Shape(IDS['fence'], 'fence_rail', 'x', inner, rail, side.light, pick)
        )
    return shapes


def _hedge(dice: Dice, side: Side, near: float, far: float) -> list[Shape]:
    height, pick = dice.real(1.4, 2.6), dice.real()
    shapes = _background_trees(dice, side, near, far)
    return shapes + _block('vegetation', 'leaf', side, near, far, height, 2, pick)


def _open(dice: Dice, side: Side, near: float, far: float) -> list[Shape]:
    return _background_trees(dice, side, near, far)


def _background_trees(dice: Dice, side: Side, near: float, far: float) -> list[Shape]:
    shapes = []
    for _ in range(dice.integer(0, 3)):
        x = side.sign * (side.line + dice.real(4, 14))
        shapes += _tree(dice, x, dice.real(near, far), dice.real(0.9, 1.5))
    return sorted(shapes, key=lambda shape: -shape.at)


_SEGMENTS = {
    'building': _building,
    'wall': _wall,
    'fence': _fence,
    'hedge': _hedge,
    'open': _open,
}


def _tree(dice: Dice, x: float, z: float, size: float) -> list[Shape]:
    """Make a trunk and a crown of overlapping discs, darker below than above."""
    pick, label = dice.real(), IDS['vegetation']
    height = dice.real(3.2, 4.6) * size
    trunk = bar(x, 0, x + dice.real(-0.3, 0.3), height, 0.34 * size)
    shapes = [Shape(label, 'trunk', 'z', z, trunk, 1.0, pick)]
    for k in range(7):
        up = dice.real(-0.2, 0.3) + 0.22 * k
        crown = disc(
            x + dice.real(-1.2, 1.2) * size,
            height + up * size,
            dice.real(0.8, 1.5) * size,
            dice.real(0.7, 1.2) * size,
        )
        shapes.append(Shape(label, 'leaf', 'z', z, crown, 0.72 + 0.06 * k, pick))
    return shapes


def _greenery(dice: Dice, side: Side, odds: dict[str, float]) -> Things:
    if not dice.chance(odds['tree']):
        return []
    things, z = [], dice.real(7, 14)
    x = side.sign * (side.walk + 0.4)
    while z < 60:
        things.append((z, _tree(dice, x, z, dice.real(0.75, 1.1))))
        z += dice.real(7, 13)
    return things


def _shadow(x: float, z: float, half: float, length: float, side: Side) -> Shape:
    """Make the shadow under a thing, a dark patch of the ground."""
    on_road = abs(x) < side.kerb
    name, paint = ('road', 'asphalt') if on_road else ('sidewalk', 'paving')
    return _flat(name, paint, x - half, z - 0.15, x + half, z + length, 0.5)


def _traffic(dice: Dice, left: Side, right: Side, odds: dict[str, float]) -> Things:
    """Make cars in every lane, and at most one large vehicle per lane."""
    lanes = [(0.0, 'rear', right), (-LANE, 'front', left)]
    lanes += [(right.kerb - 1.15, 'rear', right)] if right.parking else []
    lanes += [(1.15 - left.kerb, 'front', left)] if left.parking else []
    large = dict.fromkeys(range(len(lanes)))
    for name in ('train', 'bus', 'truck'):
        free = [k for k in large if large[k] is None and (name != 'train' or k < 2)]
        if free and dice.chance(odds[name]):
            large[dice.choice(free)] = _LARGE[name]
    things = []
    for k, (x, facing, side) in enumerate(lanes):
        chance = odds['moving'] if k < 2 else odds['parked']
        things += _lane(dice, x, facing, side, large[k], chance)
    return things


_LARGE = {'train': sprites.TRAIN, 'bus': sprites.BUS, 'truck': sprites.TRUCK}


def _lane(
    dice: Dice, x: float, facing: str, side: Side, large: sprites.Vehicle | None,
    chance: float,
) -> Things:  # fmt: skip
    things, z = [], dice.real(6.5, 14) if x else dice.real(9, 16)
    if large:
        if large is sprites.TRAIN:
            things.append((FAR, _rails(x)))
        z = z + dice.real(0, 4)
        length, shapes = _vehicle(dice, large, x, z, facing, side)
        things.append((z, shapes))
        z += length + dice.real(2, 6)
    while z < 70:
        if dice.chance(chance):
            car = _vehicle(dice, sprites.CAR, x + dice.real(-0.2, 0.2), z, facing, side)
            things.append((z, car[1]))
        z += dice.real(5.4, 9)
    return things


def _rails(x: float) -> list[Shape]:
    return [
        _flat('road', 'rail', x + offset - 0.07, 2, x + offset + 0.07, FAR)
        for offset in (-0.72, 0.72)
    ]


def _vehicle(
    dice: Dice, kind: sprites.Vehicle, x: float, z: float, facing: str, side: Side
) -> tuple[float, list[Shape]]:
    """Return the length and the shapes of a vehicle whose near end is at z."""
    half, height = dice.real(*kind.width) / 2, dice.real(*kind.height)
    length = dice.real(*kind.length)
    pick: defaultdict[str, float] = defaultdict(dice.real)
    shapes = [_shadow(x, z, half + 0.15, length, side)]
    if abs(x) > half:
        flank = x - half if x > 0 else x + half
        for label, paint, points in kind.side:
            along = tuple(
                (z + length * (a if facing == 'front' else 1 - a), height * b)
                for a, b in points
            )
            shapes.append(
                Shape(label, paint, 'x', flank, along, side.light * 0.9, pick[paint])
            )
    for label, paint, points in getattr(kind, facing):
        across = tuple((x + half * a, height * b) for a, b in points)
        shapes.append(Shape(label, paint, 'z', z, across, 1.0, pick[paint]))
    return length, shapes


def _two_wheelers(
    dice: Dice, sides: tuple[Side, Side], odds: dict[str, float]
) -> Things:
    """Make bicycles and motorcycles, ridden on the road or parked by the kerb."""
    things = []
    for name in ('motorcycle', 'bicycle'):
        for _ in range(2):
            if dice.chance(odds[name]):
                side = dice.choice(sides)
                things.append(_two_wheeler(dice, name, side, odds['ridden']))
    return things


def _two_wheeler(
    dice: Dice, name: str, side: Side, ridden: float
) -> tuple[float, list[Shape]]:
    z, turn = dice.real(6.0, 13.0), dice.choice((-1.0, 1.0))
    rider = dice.chance(ridden)
    if rider:
        x = dice.choice((dice.real(0.8, 1.9), dice.real(-4.0, 1.5)))
    else:
        x = side.sign * dice.real(side.kerb - 0.3, side.kerb + 1.2)
    sideways = dice.chance(0.35 if rider and x > 0.8 else 0.85)
    bike, body = _RIDES[name, sideways]
    scale = (turn * 1.08, 1.08)
    shapes = [_shadow(x, z, 0.9 if sideways else 0.4, 0.5, side)]
    shapes += sprite(dice, bike, x, 0, z, scale)
    if rider:
        shapes += sprite(dice, body, x, 0, z, scale)
    return z, shapes


_RIDES = {
    ('bicycle', True): (sprites.BICYCLE_SIDE, sprites.RIDER_SIDE),
    ('bicycle', False): (sprites.BICYCLE_REAR, sprites.RIDER_REAR),
    ('motorcycle', True): (sprites.MOTORCYCLE_SIDE, sprites.RIDER_SIDE),
    ('motorcycle', False): (sprites.MOTORCYCLE_REAR, sprites.RIDER_REAR),
}


def _furniture(dice: Dice, side: Side, odds: dict[str, float]) -> Things:
    """Make street lamps, signs, traffic lights and bins along the kerb."""
    things, edge = [], side.sign * (side.kerb + 0.45)
    z = dice.real(7, 18)
    while z < 80:
        things.append((z, _lamp_post(dice, edge, z, side.sign)))
        z += dice.real(14, 24)
    for _ in range(_count(dice, odds['sign'] / 2)):
        z = dice.real(7, 17)
        things.append((z, _sign(dice, edge + side.sign * dice.real(0, 0.6), z)))
    if dice.chance(odds['light']):
        z = dice.real(8, 17)
        things.append((z, _traffic_light(dice, edge, z, side.sign)))
    if dice.chance(odds['bin']):
        z = dice.real(7, 15)
        x = side.sign * (side.walk - 0.3)
        things.append((z, sprite(dice, sprites.BIN, x, 0, z)))
    return things


def _count(dice: Dice, mean: float) -> int:
    """Draw an integer between 0 and about twice the mean."""
    return int(dice.real(0, 2 * mean) + 0.5)


def _pole(points: Points, z: float, pick: float) -> Shape:
    return Shape(IDS['pole'], 'pole', 'z', z, points, 1.0, pick)


def _lamp_post(dice: Dice, x: float, z: float, sign: int) -> list[Shape]:
    height, pick = dice.real(5.5, 8), dice.real()
    reach = x - sign * dice.real(0.8, 2.0)
    return [
        _pole(bar(x, 0, x, height, 0.24), z, pick),
        _pole(bar(x, height, reach, height + 0.2, 0.18), z, pick),
    ]


def _sign(dice: Dice, x: float, z: float) -> list[Shape]:
    height, size = dice.real(2.3, 3.0), dice.real(0.95, 1.25)
    post = _pole(bar(x, 0, x, height, 0.17), z, dice.real())
    face = dice.choice(sprites.SIGN_FACES)
    return [post, *sprite(dice, face, x, height, z, (size, size))]


def _traffic_light(dice: Dice, x: float, z: float, sign: int) -> list[Shape]:
    face, height = dice.choice(sprites.LIGHT_FACES), dice.real(2.9, 3.6)
    pick, size = dice.real(), (1.1, 1.1)
    shapes = [_pole(bar(x, 0, x, height, 0.22), z, pick)]
    if dice.chance(0.6):
        reach = x - sign * dice.real(1.8, 3.4)
        arm = dice.real(4.4, 5.2)
        shapes.append(_pole(bar(x, 0, x, arm, 0.22), z, pick))
        shapes.append(_pole(bar(x, arm, reach, arm, 0.2), z, pick))
        shapes += sprite(dice, face, reach, arm - 0.3, z, size)
    return shapes + sprite(dice, face, x, height, z, size)


def _pedestrians(dice: Dice, side: Side, odds: dict[str, float]) -> Things:
    things = []
    for _ in range(_count(dice, odds['person'] / 2)):
        z = dice.real(5.5, 20)
        x = side.sign * dice.real(side.kerb + 0.3, side.walk)
        if dice.chance(0.12):
            x = dice.real(-LANE, 1.5)
        tall = dice.real(0.9, 1.12)
        shapes = [_shadow(x, z, 0.3, 0.5, side)]
        pose = dice.choice(sprites.PEOPLE)
        things.append((z, shapes + sprite(dice, pose, x, 0, z, (tall, tall))))
    return things


def _hood(dice: Dice, camera: Camera) -> Shape:
    """Make the bonnet of the ego vehicle, at the lower edge of the image."""
    z = 1.0
    floor = camera.height - z * (1 - camera.horizon) / 2 / camera.focal
    outline = disc(0.0, floor, dice.real(0.45, 0.7), dice.real(0.02, 0.06))
    return Shape(IDS['ego vehicle'], 'hood', 'z', z, outline, 1.0, dice.real())
