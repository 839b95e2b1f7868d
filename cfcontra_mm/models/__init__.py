"""Parts of networks: backbones, heads, discriminators, teachers, class centers."""

from cfcontra_mm.old_names import old_attributes

from .backbone import DeepLabResNet
from .class_centers import ClassCenterBank
from .data_preprocessor import DomainPreprocessor
from .discriminator import FCDiscriminator
from .dlv2_head import DLV2Head
from .frozen import Frozen
from .pretrained import MiT, TimmFeatures
from .projection_head import ProjectionHead
from .teacher import Teacher

__all__ = [
    'ClassCenterBank',
    'DLV2Head',
    'DeepLabResNet',
    'DomainPreprocessor',
    'FCDiscriminator',
    'Frozen',
    'MiT',
    'ProjectionHead',
    'Teacher',
    'TimmFeatures',
]

__getattr__ = old_attributes(__name__)
