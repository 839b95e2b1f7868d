"""Source-only: no adaptation, the row that every method is measured against."""

from mmseg.registry import MODELS

from .base import UDASegmentor


@MODELS.register_module()
class SourceOnly(UDASegmentor):
    """The supervised loss of the source alone (CFContra eq. 1).

    With labelled target images in place of the source it is the oracle.
    """
