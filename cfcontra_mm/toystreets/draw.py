"""Rasterise a scene: which shape each pixel shows, and which point in the world.

The coordinates of edges are integers, in sixteenths of a pixel, and all computations
per pixel are single, correctly rounded operations, so every machine draws the same.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cfcontra_mm.toystreets.scene import Camera, Scene, Shape

_SUB = 16  # subdivisions of a pixel, in which corners are placed
_FARTHEST = 600.0  # metres; depths beyond, as of the sky at the horizon, are clipped


class Surface(NamedTuple):
    """What each pixel shows, in arrays (H, W).

    Attributes:
        shape: Index of the visible shape, uint16.
        depth: Distance along z in metres, float32.
        across: First coordinate on the shape's plane in metres, float32: z, x or x for
            the axes x, y and z.
        along: Second coordinate on the plane in metres, float32: y, z or y.
        scale: Pixels per metre, float32.
    """

    shape: np.ndarray
    depth: np.ndarray
    across: np.ndarray
    along: np.ndarray
    scale: np.ndarray


def rasterise(scene: Scene, size: tuple[int, int]) -> np.ndarray:
    """Return the index of the shape seen at each pixel's centre.

    Args:
        scene: The scene.
        size: Width and height in pixels.

    Returns:
        Indices into ``scene.shapes``, (H, W), uint16.
    """
    polygons = [shape.points for shape in scene.shapes]
    lengths = np.array([len(points) for points in polygons])
    canvas = np.zeros((size[1], size[0]), np.uint16)
    fill_convex(canvas, _project(scene, lengths, size), lengths)
    return canvas


def _project(scene: Scene, lengths: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Project all corners, to (sum of lengths, 2), int64, in sixteenths of a pixel."""
    width, height = size
    camera = scene.camera
    pairs = [pair for shape in scene.shapes for pair in shape.points]
    a, b = np.array(pairs, np.float64).T
    at = np.repeat([shape.at for shape in scene.shapes], lengths)
    axis = np.repeat(['xyz'.index(shape.axis) for shape in scene.shapes], lengths)
    x = np.where(axis == 0, at, a)
    y = np.where(axis == 1, at, b)
    z = np.where(axis == 0, a, np.where(axis == 1, b, at))
    focal = camera.focal * width * _SUB
    left, top = camera.centre * width * _SUB, camera.horizon * height * _SUB
    corners = left + focal * x / z, top + focal * (camera.height - y) / z
    return np.rint(np.stack(corners, 1)).astype(np.int64)


def fill_convex(canvas: np.ndarray, corners: np.ndarray, lengths: np.ndarray) -> None:
    """Fill convex polygons with their indices, each over those before it.

    A polygon covers the pixels whose centres lie inside it.

    Args:
        canvas: Index of each pixel's polygon, (H, W), changed in place.
        corners: (x, y) in sixteenths of a pixel, (N, 2), int64, polygon by polygon.
        lengths: Number of corners of each polygon, (P,).
    """
    height, width = canvas.shape
    polygon, row, begin, end = _spans(corners, lengths, height)
    begin, end = np.clip(_first_centre(begin), 0, width), _first_centre(end)
    counts = np.maximum(np.minimum(end, width) - begin, 0)
    starts = row * width + begin
    # Number the pixels of all spans one after the other.
    skipped = starts - np.cumsum(counts) + counts
    pixels = np.arange(counts.sum()) + np.repeat(skipped, counts)
    canvas.reshape(-1)[pixels] = np.repeat(polygon, counts)


def _first_centre(position: np.ndarray) -> np.ndarray:
    """Return the first pixel whose centre is not before a position in sixteenths."""
    return (position + _SUB // 2 - 1) // _SUB


def _spans(
    corners: np.ndarray, lengths: np.ndarray, height: int
) -> tuple[np.ndarray, ...]:
    """Return polygon, row, begin and end of every row of every polygon."""
    firsts = np.cumsum(lengths) - lengths
    rows = np.clip(_first_centre(corners[:, 1]), 0, height)
    top, bottom = np.minimum.reduceat(rows, firsts), np.maximum.reduceat(rows, firsts)
    counts = bottom - top
    offsets = np.cumsum(counts) - counts
    polygon = np.repeat(np.arange(len(lengths)), counts)
    row = np.arange(counts.sum()) - np.repeat(offsets - top, counts)
    following = np.arange(len(corners)) + 1
    following[firsts + lengths - 1] = firsts
    place = np.repeat(offsets - top, lengths)
    # Each row of a convex polygon crosses one edge that goes down and one that goes up.
    down = _crossings(corners, corners[following], rows, rows[following], place)
    up = _crossings(corners[following], corners, rows[following], rows, place)
    return polygon, row, np.minimum(down, up), np.maximum(down, up)


def _crossings(
    upper: np.ndarray, lower: np.ndarray, first: np.ndarray, last: np.ndarray,
    place: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """Return where the edges that go down cross the rows, in the order of the spans."""
    counts = np.maximum(last - first, 0)
    edge = np.repeat(np.arange(len(counts)), counts)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(counts) - counts - first, counts)
    (x, y), (dx, dy) = upper[edge].T, (lower - upper)[edge].T
    crossings = np.zeros(len(edge), np.int64)
    crossings[place[edge] + row] = x + (row * _SUB + _SUB // 2 - y) * dx // dy
    return crossings


def locate(scene: Scene, canvas: np.ndarray) -> Surface:
    """Locate what each pixel shows in the world.

    Args:
        scene: The scene.
        canvas: Index of each pixel's shape, (H, W), as :func:`rasterise` returns it.
    """
    height, width = canvas.shape
    camera = scene.camera
    x = np.arange(width, dtype=np.float32) + np.float32(0.5 - camera.centre * width)
    y = np.arange(height, dtype=np.float32) + np.float32(0.5 - camera.horizon * height)
    focal = np.float32(camera.focal * width)
    x, y = x / focal, y[:, None] / focal
    planes = np.array([_plane(s, camera) for s in scene.shapes], np.float32).T
    by_x, by_y, constant, upright, sideways = planes[:, canvas]
    inverse = np.maximum(by_x * x + by_y * y + constant, np.float32(1 / _FARTHEST))
    depth = 1 / inverse
    world_x, world_y = x * depth, np.float32(camera.height) - y * depth
    across = np.where(sideways > 0, depth, world_x)
    along = np.where(upright > 0, world_y, depth)
    return Surface(canvas, depth, across, along, focal * inverse)


def _plane(shape: Shape, camera: Camera) -> tuple[float, ...]:
    """Return 1 / depth as a linear function of the image, and the plane's axes."""
    if shape.axis == 'x':
        return 1 / shape.at, 0, 0, 1, 1
    if shape.axis == 'y':
        return 0, 1 / (camera.height - shape.at), 0, 0, 0
    return 0, 0, 1 / shape.at, 1, 0
