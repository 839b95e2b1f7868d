"""SYNTHIA-RAND-CITYSCAPES as downloaded (Ros et al., CVPR 2016)."""

from __future__ import annotations

from typing import Any

from mmseg.registry import DATASETS

from cfcontra_mm.datasets.classes import CITYSCAPES_METAINFO
from cfcontra_mm.datasets.files import PairedFiles

_MISSING = ('terrain', 'truck', 'train')
_SMALL = ('wall', 'fence', 'pole')

SYNTHIA_16 = tuple(c for c in CITYSCAPES_METAINFO['classes'] if c not in _MISSING)
"""The 16 classes that SYNTHIA labels, scored in the mIoU column of papers."""

SYNTHIA_13 = tuple(c for c in SYNTHIA_16 if c not in _SMALL)
"""The subset of ``SYNTHIA_16`` that the mIoU* column of papers scores."""


@DATASETS.register_module()
class SYNTHIADataset(PairedFiles):
    """SYNTHIA: 9400 images, ``RGB/0000000.png``, and ``GT/LABELS/0000000.png``.

    The pipeline reads labels with ``LoadSYNTHIALabels`` and maps them to the 19
    trainIds with ``MapLabels(table='synthia')``, so that one network fits every source.
    Evaluation scores ``SYNTHIA_16`` and ``SYNTHIA_13``.

    Raises:
        InputError: See ``PairedFiles``.
    """

    METAINFO = CITYSCAPES_METAINFO

    def __init__(
        self,
        img_suffix: str = '.png',
        data_prefix: dict | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            img_suffix=img_suffix,
            data_prefix=data_prefix or dict(img_path='RGB', seg_map_path='GT/LABELS'),
            **kwargs,
        )
