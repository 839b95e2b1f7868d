"""Unsupervised domain adaptation for semantic segmentation on MMSegmentation 1.x.

Importing the package registers its methods, data sets, transforms, hooks and metrics in
mmseg's registries.
"""

from . import datasets, engine, evaluation, methods, models
from .version import __version__

__all__ = ['__version__', 'datasets', 'engine', 'evaluation', 'methods', 'models']
