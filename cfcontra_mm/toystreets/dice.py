"""Random numbers that are the same on every machine and in every NumPy version."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar('T')


class Dice:
    """A stream of random numbers that depends on a key alone.

    Only the raw output of PCG64 is read, which NumPy promises never to change; all else
    is integer arithmetic and single, correctly rounded float operations.

    Args:
        key: Non-negative integers; different keys give independent streams.
    """

    def __init__(self, *key: int) -> None:
        self._bits = np.random.PCG64(np.random.SeedSequence(key))

    def real(self, low: float = 0.0, high: float = 1.0) -> float:
        """Draw a number in [low, high)."""
        unit = (self._bits.random_raw() >> 11) * 2.0**-53
        return low + (high - low) * unit

    def integer(self, low: int, high: int) -> int:
        """Draw an integer in [low, high], both included."""
        return low + int(self.real() * (high - low + 1))

    def chance(self, probability: float) -> bool:
        """Return ``True`` with the given probability."""
        return self.real() < probability

    def choice(self, items: Sequence[T]) -> T:
        """Draw one of the items, each equally likely."""
        return items[self.integer(0, len(items) - 1)]

    def noise(self, *shape: int) -> np.ndarray:
        """Draw uniform bytes, an array (*shape) of uint8."""
        count = 1
        for length in shape:
            count *= length
        words = self._bits.random_raw((count + 7) // 8)
        return words.astype('<u8').view(np.uint8)[:count].reshape(shape)
