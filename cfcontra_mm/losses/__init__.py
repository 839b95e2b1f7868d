"""Pure loss functions; they import torch alone."""

from .adversarial import SOURCE, TARGET, least_squares_gan_loss, vanilla_gan_loss
from .contrastive import class_contrastive_loss
from .discrepancy import disagreement_map, weight_divergence
from .entropy import entropy_map, weighted_self_information
from .focal import focal_loss

__all__ = [
    'SOURCE',
    'TARGET',
    'class_contrastive_loss',
    'disagreement_map',
    'entropy_map',
    'focal_loss',
    'least_squares_gan_loss',
    'vanilla_gan_loss',
    'weight_divergence',
    'weighted_self_information',
]
