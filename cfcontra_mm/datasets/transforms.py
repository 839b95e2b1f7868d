"""Reading pictures and raw labels, with errors that name the file."""

from __future__ import annotations

import cv2
import mmcv
import numpy as np
from mmcv.transforms import BaseTransform, LoadImageFromFile
from mmengine import fileio
from mmseg.datasets.transforms import LoadAnnotations
from mmseg.registry import TRANSFORMS

from cfcontra_mm.datasets.classes import LABEL_TABLES, UNKNOWN_INDEX, read_classes
from cfcontra_mm.errors import InputError

# What the decoders raise on a file that is cut off or no picture at all.
_READ_ERRORS = (OSError, SyntaxError, ValueError, AssertionError, cv2.error)


def _unreadable(path: str, error: Exception) -> InputError:
    if isinstance(error, FileNotFoundError):
        return InputError(f'{path}: no such file')
    return InputError(f'{path}: truncated or not a picture; restore the file')


@TRANSFORMS.register_module()
class LoadImage(LoadImageFromFile):
    """MMCV's `LoadImageFromFile` (BGR, uint8), which names a file it cannot read.

    Raises:
        InputError: The picture is missing, truncated or not a picture.
    """

    def transform(self, results: dict) -> dict:
        """Adds img (H, W, 3), img_shape and ori_shape."""
        try:
            return super().transform(results)
        except _READ_ERRORS as error:
            raise _unreadable(results['img_path'], error) from error


@TRANSFORMS.register_module()
class LoadLabels(LoadAnnotations):
    """Reads a label file as it is: (H, W) uint8 label values, no palette applied.

    MMSegmentation's `LoadAnnotations`, which it stands for, lets a colour picture pass
    and renumbers values before `MapLabels` could read them.

    Raises:
        InputError: The file is missing, truncated or of another kind, or the data set
            selects classes (the network keeps them all; a metric scores subsets).
    """

    kind = 'an 8-bit single-channel PNG of label values'

    def _load_seg_map(self, results: dict) -> None:
        path = results['seg_map_path']
        if results.get('label_map') or results.get('reduce_zero_label'):
            raise InputError(
                f'{path}: metainfo.classes and reduce_zero_label cannot be set for raw '
                'labels; score a subset of classes in the evaluator'
            )
        try:
            label = self._decode(fileio.get(path, backend_args=self.backend_args))
        except _READ_ERRORS as error:
            raise _unreadable(path, error) from error
        if label is None:
            raise InputError(f'{path}: not {self.kind}; check the labels folder')
        results['gt_seg_map'] = label
        results['seg_fields'].append('gt_seg_map')

    def _decode(self, content: bytes) -> np.ndarray | None:
        # Pillow keeps the indices of a P-mode picture, OpenCV would paint it.
        label = mmcv.imfrombytes(content, flag='unchanged', backend='pillow')
        return label if label.ndim == 2 and label.dtype == np.uint8 else None


@TRANSFORMS.register_module()
class LoadSYNTHIALabels(LoadLabels):
    """Reads SYNTHIA's labels: 16-bit PNGs with the class in red, instances in green.

    Pillow reduces 16-bit colours to 8, so OpenCV reads them.

    Raises:
        InputError: As `LoadLabels`.
    """

    kind = "one of SYNTHIA's 16-bit three-channel PNGs (GT/LABELS)"

    def _decode(self, content: bytes) -> np.ndarray | None:
        label = mmcv.imfrombytes(content, flag='unchanged', backend='cv2')
        if label is None:
            raise ValueError('not decoded')
        if label.ndim != 3 or label.shape[2] != 3 or label.dtype != np.uint16:
            return None
        classes = label[..., 2]
        return classes.astype(np.uint8) if classes.max() <= 255 else None


@TRANSFORMS.register_module()
class MapLabels(BaseTransform):
    """Maps raw label values to class indices through a 256-entry table.

    Args:
        table: 'cityscapes' (labelIds, GTA5's too) or 'synthia', both to the 19
            trainIds, or the path of a class file.
        size_tolerance: By how much the label's height and width may differ from the
            image's, as a share. GTA5 has a few pairs that differ by some pixels
            (1914x1046 and 1914x1052) and fit after resizing each to one size.

    Raises:
        InputError: An unknown table, a label of another size than its image, or a
            label value that the class file does not list.
    """

    def __init__(self, table: str, size_tolerance: float = 0.0) -> None:
        self.source = table
        self.size_tolerance = size_tolerance
        if table in LABEL_TABLES:
            self.table = LABEL_TABLES[table]
        elif table.endswith(('.yaml', '.yml')):
            self.table = read_classes(table).table
        else:
            known = ', '.join(LABEL_TABLES)
            raise InputError(
                f'MapLabels.table: {table!r} is none of {known} and no .yaml file'
            )
        self.is_partial = UNKNOWN_INDEX in self.table

    def transform(self, results: dict) -> dict:
        """Replaces gt_seg_map (H, W) uint8 by class indices."""
        self._check_size(results)
        # Five times as fast as indexing the table.
        mapped = cv2.LUT(results['gt_seg_map'], self.table)
        if self.is_partial:
            self._check_values(results, mapped)
        results['gt_seg_map'] = mapped
        return results

    def _check_values(self, results: dict, mapped: np.ndarray) -> None:
        unknown = mapped == UNKNOWN_INDEX
        if unknown.any():
            value = results['gt_seg_map'][unknown][0]
            raise InputError(
                f'{results["seg_map_path"]}: label value {value} is not in '
                f'{self.source}; list it under a class or under ignore'
            )

    def _check_size(self, results: dict) -> None:
        (height, width), image = results['gt_seg_map'].shape, results.get('ori_shape')
        if image is None:
            return
        off = max(abs(height / image[0] - 1), abs(width / image[1] - 1))
        if off > self.size_tolerance:
            raise InputError(
                f'{results["seg_map_path"]}: the label is {width}x{height} but its '
                f'image is {image[1]}x{image[0]}; give both one size'
            )

    def __repr__(self) -> str:
        return f'{type(self).__name__}(table={self.source!r})'
