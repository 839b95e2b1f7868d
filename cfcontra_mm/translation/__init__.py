"""Style transfer from one domain to the other, and its use on data sets."""

from cfcontra_mm.losses.style import Statistics
from cfcontra_mm.old_names import old_attributes

from .adain import AdaINStyleTransfer, StylePreprocessor, adaptive_instance_norm
from .images import image_statistics, load_translator, translate_image
from .style_sheet import StyleSheetHook
from .stylize import AdaINStylize
from .vgg import VGGDecoder, VGGEncoder

__all__ = [
    'AdaINStyleTransfer',
    'AdaINStylize',
    'Statistics',
    'StylePreprocessor',
    'StyleSheetHook',
    'VGGDecoder',
    'VGGEncoder',
    'adaptive_instance_norm',
    'image_statistics',
    'load_translator',
    'translate_image',
]

__getattr__ = old_attributes(__name__)
