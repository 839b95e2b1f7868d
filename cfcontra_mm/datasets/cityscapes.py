"""Cityscapes as downloaded."""

from __future__ import annotations

from mmseg.datasets import CityscapesDataset
from mmseg.registry import DATASETS

from cfcontra_mm.datasets.files import CheckedFiles


@DATASETS.register_module()
class RawCityscapesDataset(CheckedFiles, CityscapesDataset):
    """MMSegmentation's `CityscapesDataset` on the labelIds that the download holds.

    Its pipeline maps them with `MapLabels(table='cityscapes')`; no conversion to
    labelTrainIds has to be run first.

    Raises:
        InputError: A missing or empty folder, or an image without its label.
    """

    def __init__(
        self, seg_map_suffix: str = '_gtFine_labelIds.png', **kwargs: object
    ) -> None:
        super().__init__(seg_map_suffix=seg_map_suffix, **kwargs)
