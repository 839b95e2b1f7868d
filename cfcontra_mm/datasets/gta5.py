"""GTA5 as downloaded (Richter et al., Playing for Data, ECCV 2016)."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from mmengine.logging import print_log
from mmseg.registry import DATASETS

from cfcontra_mm.datasets.classes import CITYSCAPES_METAINFO
from cfcontra_mm.datasets.files import PairedFiles

GTA5_BLANK = ('15188', '17705')
"""Images that are blank in the release, although their labels are not."""


@DATASETS.register_module()
class GTA5Dataset(PairedFiles):
    """GTA5: 24966 game images, ``images/00001.png``, and ``labels/00001.png``.

    Labels are P-mode PNGs of Cityscapes label ids, which the pipeline maps with
    ``MapLabels(table='cityscapes')``. The two blank images are left out.

    Raises:
        InputError: See ``PairedFiles``.
    """

    METAINFO = CITYSCAPES_METAINFO
    unpaired = GTA5_BLANK

    def __init__(
        self,
        img_suffix: str = '.png',
        data_prefix: dict | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            img_suffix=img_suffix,
            data_prefix=data_prefix or dict(img_path='images', seg_map_path='labels'),
            **kwargs,
        )

    def filter_data(self) -> list[dict]:
        """Leave out the images of ``GTA5_BLANK``."""
        kept = [
            info
            for info in self.data_list
            if PurePath(info['img_path']).stem not in GTA5_BLANK
        ]
        if len(kept) < len(self.data_list):
            names = ' and '.join(GTA5_BLANK)
            print_log(f'GTA5: left out the blank images {names}', 'current')
        return kept
