"""SYNTHIA-RAND-CITYSCAPES as downloaded (Ros et al., CVPR 2016)."""

from __future__ import annotations

from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS

from cfcontra_mm.datasets.classes import CITYSCAPES_METAINFO
from cfcontra_mm.datasets.files import CheckedFiles

_MISSING = ('terrain', 'truck', 'train')
_SMALL = ('wall', 'fence', 'pole')

SYNTHIA_16 = tuple(c for c in CITYSCAPES_METAINFO['classes'] if c not in _MISSING)
"""The classes that SYNTHIA labels and its papers score."""

SYNTHIA_13 = tuple(c for c in SYNTHIA_16 if c not in _SMALL)
"""The subset of `SYNTHIA_16` in the papers' mIoU* column."""


@DATASETS.register_module()
class SYNTHIADataset(CheckedFiles, BaseSegDataset):
    """9400 rendered pictures, `RGB/0000000.png`, and labels, `GT/LABELS/0000000.png`.

    The pipeline reads labels with `LoadSYNTHIALabels` and maps them with
    `MapLabels(table='synthia')` to the 19 trainIds, so one network serves every
    source; `SYNTHIA_16` and `SYNTHIA_13` are what is scored.

    Raises:
        InputError: A missing or empty folder, or an image without its label.
    """

    METAINFO = CITYSCAPES_METAINFO

    def __init__(
        self,
        img_suffix: str = '.png',
        data_prefix: dict | None = None,
        **kwargs: object,
    ) -> None:
        super().__init__(
            img_suffix=img_suffix,
            data_prefix=data_prefix or dict(img_path='RGB', seg_map_path='GT/LABELS'),
            **kwargs,
        )
