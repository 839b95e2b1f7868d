"""Figures of what was trained: no network is built to draw them.

Only :mod:`.features`, which collects what a feature map shows, runs one; it is imported
by its tool alone.
"""

from .confusion import class_names, count_confusion, count_confusions, draw_confusion
from .curves import draw_curves
from .feature_map import Features, draw_feature_map, read_features

__all__ = [
    'Features',
    'class_names',
    'count_confusion',
    'count_confusions',
    'draw_confusion',
    'draw_curves',
    'draw_feature_map',
    'read_features',
]
