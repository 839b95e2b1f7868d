"""Metrics of predictions; target labels may be read only here."""

from .frechet import StyleDistance, frechet_distance
from .iou import DomainIoUMetric
from .label_free import LabelFreeScores, soft_neighborhood_density
from .pseudo_labels import PseudoLabelAccuracy
from .selection import select_checkpoint, spearman

__all__ = [
    'DomainIoUMetric',
    'LabelFreeScores',
    'PseudoLabelAccuracy',
    'StyleDistance',
    'frechet_distance',
    'select_checkpoint',
    'soft_neighborhood_density',
    'spearman',
]
