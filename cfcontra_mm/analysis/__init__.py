"""Figures of trained networks, drawn from their output without building a network.

Only :mod:`.features`, which collects the features of a feature map, runs a network;
only its tool imports it.
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
