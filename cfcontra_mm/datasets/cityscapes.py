"""Cityscapes as downloaded."""

from __future__ import annotations

from mmseg.datasets import CityscapesDataset
from mmseg.registry import DATASETS

from cfcontra_mm.datasets.files import CheckedFiles


@DATASETS.register_module()
class RawCityscapesDataset(CheckedFiles, CityscapesDataset):
    """Read Cityscapes with its original labelIds files.

    The pipeline maps label ids to trainIds with ``MapLabels(table='cityscapes')``, so
    the labels need not be converted to labelTrainIds first.

    Raises:
        InputError: A folder is missing or empty, or an image has no label.
    """

    def __init__(
        self, seg_map_suffix: str = '_gtFine_labelIds.png', **kwargs: object
    ) -> None:
        super().__init__(seg_map_suffix=seg_map_suffix, **kwargs)
