"""Style transfer: pictures of one domain in the look of another."""

from cfcontra_mm.losses.style import Statistics

from .adain import AdaINStyleTransfer, StylePreprocessor, adaptive_instance_norm
from .pictures import load_translator, picture_statistics, translate_picture
from .vgg import VGGDecoder, VGGEncoder

__all__ = [
    'AdaINStyleTransfer',
    'Statistics',
    'StylePreprocessor',
    'VGGDecoder',
    'VGGEncoder',
    'adaptive_instance_norm',
    'load_translator',
    'picture_statistics',
    'translate_picture',
]
