"""Pure loss functions; they import torch alone."""

from .contrastive import class_contrastive_loss
from .entropy import entropy_map, weighted_self_information

__all__ = ['class_contrastive_loss', 'entropy_map', 'weighted_self_information']
