"""Transforms that load images and raw labels, with errors that name the file."""

from __future__ import annotations

import cv2
import mmcv
import numpy as np
from mmcv.transforms import BaseTransform, LoadImageFromFile
from mmengine import fileio
from mmseg.datasets.transforms import LoadAnnotations
from mmseg.registry import TRANSFORMS

from cfcontra_mm.datasets.classes import (
    IGNORE_INDEX,
    LABEL_IDS,
    LABEL_TABLES,
    UNKNOWN_INDEX,
    checked_table,
    read_classes,
)
from cfcontra_mm.errors import InputError
from cfcontra_mm.images import Header, check_content, name_errors

MAX_UNKNOWN = 0.01
"""Share of a label's pixels that may have values that the data set does not have."""


@TRANSFORMS.register_module()
class LoadImage(LoadImageFromFile):
    """Load an image with MMCV's ``LoadImageFromFile``, naming a file it cannot read.

    Raises:
        InputError: The file is missing, truncated, not an image or too large.
    """

    def transform(self, results: dict) -> dict:
        """Add ``img``, BGR, uint8, (H, W, 3), ``img_shape`` and ``ori_shape``."""
        path = results['img_path']
        with name_errors(path):
            image = self._decode(fileio.get(path, backend_args=self.backend_args))
        size = image.shape[:2]
        return results | dict(img=image, img_shape=size, ori_shape=size)

    def _decode(self, content: bytes) -> np.ndarray:
        check_content(content)
        image = mmcv.imfrombytes(
            content, flag=self.color_type, backend=self.imdecode_backend
        )
        assert image is not None
        return image.astype(np.float32) if self.to_float32 else image


@TRANSFORMS.register_module()
class LoadLabels(LoadAnnotations):
    """Load label values as they are in the file, (H, W), uint8, ignoring its palette.

    It replaces MMSegmentation's ``LoadAnnotations``, which accepts colour images and
    renumbers the values before ``MapLabels`` can read them.

    Raises:
        InputError: The file is missing, truncated or in another format, or the data set
            selects classes (networks predict all; a metric scores subsets).
    """

    kind = 'an 8-bit single-channel PNG of label values'
    modes: tuple[str, ...] = ('L', 'P')

    def check_header(self, header: Header, path: str) -> None:
        """Refuse a label whose header tells that it is of another kind.

        Raises:
            InputError: It is in colour, has 16 bits, or lost values as a JPEG does.
        """
        if header.mode not in self.modes or header.format == 'JPEG':
            raise self.wrong_kind(path)

    def wrong_kind(self, path: str) -> InputError:
        """Return the error about a label of another kind."""
        return InputError(f'{path}: not {self.kind}; check the labels folder')

    def _load_seg_map(self, results: dict) -> None:
        path = results['seg_map_path']
        if results.get('label_map') or results.get('reduce_zero_label'):
            raise InputError(
                f'{path}: metainfo.classes and reduce_zero_label are not supported for '
                'raw labels; score a subset of classes in the evaluator'
            )
        with name_errors(path):
            content = fileio.get(path, backend_args=self.backend_args)
            check_content(content)
            label = self._decode(content)
        if label is None:
            raise self.wrong_kind(path)
        results['gt_seg_map'] = label
        results['seg_fields'].append('gt_seg_map')

    def _decode(self, content: bytes) -> np.ndarray | None:
        # Pillow keeps the indices of a P-mode image, OpenCV would turn them to colours.
        label = mmcv.imfrombytes(content, flag='unchanged', backend='pillow')
        return label if label.ndim == 2 and label.dtype == np.uint8 else None


@TRANSFORMS.register_module()
class LoadSYNTHIALabels(LoadLabels):
    """Load SYNTHIA's labels: 16-bit PNGs with the class in red, instances in green.

    OpenCV reads them, since Pillow reduces 16-bit colours to 8 bits.

    Raises:
        InputError: As for ``LoadLabels``.
    """

    kind = "one of SYNTHIA's 16-bit three-channel PNGs (GT/LABELS)"
    modes = ('RGB',)

    def _decode(self, content: bytes) -> np.ndarray | None:
        label = mmcv.imfrombytes(content, flag='unchanged', backend='cv2')
        if label is None:
            raise ValueError('cannot be decoded')
        if label.ndim != 3 or label.shape[2] != 3 or label.dtype != np.uint16:
            return None
        classes = label[..., 2]
        return classes.astype(np.uint8) if classes.max() <= 255 else None


@TRANSFORMS.register_module()
class MapLabels(BaseTransform):
    """Map raw label values to class indices through a table of 256 entries.

    Args:
        table: ``'cityscapes'`` (label ids, as in GTA5) or ``'synthia'``, which map to
            the 19 trainIds, or the path of a class file.
        size_tolerance: Relative difference allowed between the size of the label and
            that of the image. A few pairs of GTA5 differ by some pixels (1914x1046 and
            1914x1052) and fit once both are resized.

    Raises:
        InputError: The table is unknown, the label's size is not that of its image, the
            class file does not list a label value, or more than ``MAX_UNKNOWN`` of a
            label's pixels have values that are no ids of the data set.
    """

    def __init__(self, table: str, size_tolerance: float = 0.0) -> None:
        self.source = table
        self.size_tolerance = size_tolerance
        self.max_unknown = 0.0
        if table in LABEL_TABLES:
            self.table, self.max_unknown = checked_table(table), MAX_UNKNOWN
        elif table.endswith(('.yaml', '.yml')):
            self.table = read_classes(table).table
        else:
            known = ', '.join(LABEL_TABLES)
            raise InputError(
                f'MapLabels.table: unknown table {table!r}; use {known} or a .yaml file'
            )

    def transform(self, results: dict) -> dict:
        """Replace ``gt_seg_map``, (H, W), uint8, by class indices."""
        label, image = results['gt_seg_map'].shape, results.get('ori_shape')
        if image is not None:
            self.check_size(results['seg_map_path'], label[::-1], image[1::-1])
        # Five times as fast as NumPy's indexing.
        mapped = cv2.LUT(results['gt_seg_map'], self.table)
        unknown = mapped == UNKNOWN_INDEX
        if unknown.any():
            self._check_values(results, unknown)
            mapped[unknown] = IGNORE_INDEX
        results['gt_seg_map'] = mapped
        return results

    def _check_values(self, results: dict, unknown: np.ndarray) -> None:
        if unknown.mean() <= self.max_unknown:
            return
        path, value = results['seg_map_path'], results['gt_seg_map'][unknown][0]
        if self.source in LABEL_IDS:
            raise InputError(
                f'{path}: label value {value} is no id of {self.source}, which has '
                f'0-{LABEL_IDS[self.source][-1]}; use the labels as downloaded'
            )
        raise InputError(
            f'{path}: label value {value} is not in {self.source}; list it under a '
            'class or under ignore'
        )

    def check_size(
        self, path: str, label: tuple[int, int], image: tuple[int, int]
    ) -> None:
        """Compare the size of a label with that of its image, (width, height).

        Raises:
            InputError: They differ by more than ``size_tolerance``.
        """
        off = max(abs(a / b - 1) for a, b in zip(label, image, strict=True))
        if off > self.size_tolerance:
            raise InputError(
                f'{path}: size mismatch: the label is {label[0]}x{label[1]}, its '
                f'image {image[0]}x{image[1]}; resize one of them'
            )

    def __repr__(self) -> str:
        return f'{type(self).__name__}(table={self.source!r})'
