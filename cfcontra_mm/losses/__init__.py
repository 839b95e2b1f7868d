"""Loss functions, and the same losses as registered modules for configs."""

from cfcontra_mm.old_names import old_attributes

from .adversarial import SOURCE, TARGET, least_squares_gan_loss, vanilla_gan_loss
from .contrastive import class_contrastive_loss
from .contrastive_loss import ClassContrastiveLoss
from .discrepancy import disagreement_map, weight_similarity
from .discrepancy_loss import WeightDiscrepancyLoss
from .entropy import entropy_map, weighted_self_information
from .entropy_loss import EntropyLoss
from .focal import focal_loss
from .gan_loss import GANLoss

__all__ = [
    'SOURCE',
    'TARGET',
    'ClassContrastiveLoss',
    'EntropyLoss',
    'GANLoss',
    'WeightDiscrepancyLoss',
    'class_contrastive_loss',
    'disagreement_map',
    'entropy_map',
    'focal_loss',
    'least_squares_gan_loss',
    'vanilla_gan_loss',
    'weight_similarity',
    'weighted_self_information',
]

__getattr__ = old_attributes(__name__)
