"""Figures of what was trained: no network is built to draw them.

Only :mod:`.features`, which collects what a feature map shows, runs one; it is imported
by its tool alone.
"""

from .curves import draw_curves

__all__ = ['draw_curves']
