"""DACS's augmentation in plain loops over pixels, in float64.

As kornia 0.5 computes it, with which the code of DACS and of its successors was
published; hue and saturation by Python's ``colorsys``.
"""

import colorsys
import math
import random

import numpy as np

SIGMAS = (0.15, 1.15)


def clamped(value):
    return min(max(value, 0.0), 1.0)


def add_brightness(pixel, factor):
    return [clamped(value + factor - 1) for value in pixel]


def multiply_contrast(pixel, factor):
    return [clamped(value * factor) for value in pixel]


def scale_saturation(pixel, factor):
    hue, saturation, value = colorsys.rgb_to_hsv(*pixel)
    return colorsys.hsv_to_rgb(hue, clamped(saturation * factor), value)


def turn_hue(pixel, turns):
    hue, saturation, value = colorsys.rgb_to_hsv(*pixel)
    return colorsys.hsv_to_rgb((hue + turns) % 1.0, saturation, value)


CHANGES = (add_brightness, multiply_contrast, scale_saturation, turn_hue)


def drawn_jitter(strength):
    """What an image's generator gives: the factors, and the order of the changes."""
    factors = [random.uniform(1 - strength, 1 + strength) for _ in range(3)]
    factors.append(random.uniform(-strength, strength))
    return factors, random.sample(range(4), 4)


def jitter(image, factors, order):
    """Change the colours of an image (3, H, W) in [0, 1]."""
    image = image.copy()
    for row, column in np.ndindex(image.shape[1:]):
        pixel = list(image[:, row, column])
        for number in order:
            pixel = CHANGES[number](pixel, factors[number])
        image[:, row, column] = pixel
    return image


def blur(image, sigma, size=None):
    """Sum over a square of neighbours, those beyond the border mirrored at it.

    Args:
        image: (3, H, W).
        sigma: Deviation.
        size: Side of the square; as long as weights matter if None.
    """
    radius = math.ceil(8 * sigma) if size is None else size // 2
    radius = min(radius, *(side - 1 for side in image.shape[1:]))
    padded = np.pad(image, ((0, 0), (radius,) * 2, (radius,) * 2), mode='reflect')
    total, blurred = 0.0, np.zeros_like(image)
    height, width = image.shape[1:]
    for y in range(-radius, radius + 1):
        for x in range(-radius, radius + 1):
            weight = math.exp(-(x**2 + y**2) / (2 * sigma**2))
            top, left = radius + y, radius + x
            window = padded[:, top : top + height, left : left + width]
            blurred += weight * window
            total += weight
    return blurred / total
