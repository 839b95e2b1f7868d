"""Images of one domain in the look of another: style transfer and what applies it."""

from cfcontra_mm.losses.style import Statistics

from .adain import AdaINStyleTransfer, StylePreprocessor, adaptive_instance_norm
from .images import load_translator, picture_statistics, translate_picture
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
    'load_translator',
    'picture_statistics',
    'translate_picture',
]
