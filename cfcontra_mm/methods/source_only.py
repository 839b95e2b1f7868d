"""Source-only training, the baseline without adaptation."""

from mmseg.registry import MODELS

from .base import UDASegmentor


@MODELS.register_module()
class SourceOnly(UDASegmentor):
    """Training with the supervised loss of the source alone (CFContra eq. 1).

    With labelled target images as its source it is the oracle.
    """

    # Its network has never seen the target, nor have the statistics of its test.
    own_settings = ('default_hooks.statistics.statistics',)
