"""Cityscapes as downloaded."""

from __future__ import annotations

from typing import Any

from mmseg.datasets import CityscapesDataset
from mmseg.registry import DATASETS

from cfcontra_mm.datasets.files import PairedFiles


@DATASETS.register_module()
class RawCityscapesDataset(PairedFiles, CityscapesDataset):
    """Read Cityscapes with its original labelIds files.

    The pipeline maps label ids to trainIds with ``MapLabels(table='cityscapes')``, so
    the labels need not be converted to labelTrainIds first.

    Raises:
        InputError: See ``PairedFiles``.
    """

    def __init__(
        self, seg_map_suffix: str = '_gtFine_labelIds.png', **kwargs: Any
    ) -> None:
        super().__init__(seg_map_suffix=seg_map_suffix, **kwargs)
