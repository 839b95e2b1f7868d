"""Measures of predictions; only here may target labels be read."""

from .frechet import StyleDistance, frechet_distance
from .iou import DomainIoUMetric
from .pseudo_labels import PseudoLabelAccuracy

__all__ = [
    'DomainIoUMetric',
    'PseudoLabelAccuracy',
    'StyleDistance',
    'frechet_distance',
]
