"""Unsupervised domain adaptation for semantic segmentation on MMSegmentation 1.x.

Importing the package registers its methods, data sets, transforms, losses, hooks and
metrics in mmseg's registries, and the methods of other packages that name themselves in
the entry-point group ``cfcontra_mm.methods``.
"""

from . import quiet_import  # noqa: F401  before all that imports mmseg

# isort: split
from . import datasets, engine, evaluation, losses, methods, models, translation
from .old_names import find_old_modules, old_attributes
from .plugins import load_plugins
from .version import __version__

__all__ = [
    '__version__',
    'datasets',
    'engine',
    'evaluation',
    'losses',
    'methods',
    'models',
    'translation',
]

find_old_modules()
load_plugins()

__getattr__ = old_attributes(__name__)
