"""IoU of each class and of the subsets of classes that papers score."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from mmseg.evaluation import IoUMetric
from mmseg.registry import METRICS
from PIL import Image

from cfcontra_mm.errors import InputError
from cfcontra_mm.files import whole_file

PER_IMAGE = 'per_image.npz'


def prediction_name(image: str, folder: str | None) -> str:
    """Return the path of an image's prediction in their folder, without suffix.

    Args:
        image: Path of the image.
        folder: Folder of the images, whose subfolders are kept; without one, the name
            is that of the file.
    """
    path = PurePath(os.path.relpath(image, folder)) if folder else PurePath(image)
    if folder is None or '..' in path.parts:
        return path.stem
    return path.with_suffix('').as_posix()


@METRICS.register_module()
class DomainIoUMetric(IoUMetric):
    """mmseg's ``IoUMetric`` with the IoU of each class and of subsets of classes.

    If predictions are kept, ``per_image.npz`` is written beside them, or to ``counts``:
    ``names`` of the N images, ``classes`` (C,), and the pixels of each image and class
    as ``intersection`` and ``union``, int64 (N, C), so that a mean can be resampled
    over images.

    Args:
        subsets: Names of the classes of each further mean, by the mean's name: papers
            on SYNTHIA score 16 and 13 of the 19 classes.
        output_dir: Folder for the predictions, PNGs of class indices.
        image_folder: Folder of the images, whose subfolders the predictions keep.
        counts: File for the pixel counts; by default beside the predictions.
        **kwargs: As for ``IoUMetric``.
    """

    def __init__(
        self,
        subsets: dict[str, Sequence[str]] | None = None,
        output_dir: str | None = None,
        image_folder: str | None = None,
        counts: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.predictions = None if output_dir is None else Path(output_dir)
        if counts is None and self.predictions is not None:
            counts = str(self.predictions / PER_IMAGE)
        self.counts = counts and Path(counts)
        self.image_folder = image_folder
        self.image_of: dict[str, str] = {}
        self.subsets = subsets or {}

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Count the pixels of each image, and write the predictions.

        Raises:
            InputError: A subset names a class that the data set does not have, or the
                predictions of two images would have one name.
        """
        classes = self.dataset_meta['classes']
        unknown = set().union(*self.subsets.values()) - set(classes)
        if unknown:
            raise InputError(
                f'evaluator.subsets: unknown class {", ".join(sorted(unknown))}; '
                f'choose from {", ".join(classes)}'
            )
        before = len(self.results)
        super().process(data_batch, data_samples)
        names = [
            prediction_name(s['img_path'], self.image_folder) for s in data_samples
        ]
        self.results[before:] = [
            # In float64: summed over a split, float32 loses pixels.
            (*(area.double() for area in areas), name)
            for areas, name in zip(self.results[before:], names, strict=False)
        ]
        if self.predictions is not None:
            for sample, name in zip(data_samples, names, strict=True):
                self._write_prediction(sample, name, self.predictions)

    def _write_prediction(self, sample: dict, name: str, folder: Path) -> None:
        image = sample['img_path']
        if (other := self.image_of.setdefault(name, image)) != image:
            raise InputError(
                f'{image}: its prediction would replace that of {other}; set '
                'data_prefix.img_path of the data set to the folder of all images'
            )
        labels = sample['pred_sem_seg']['data'].squeeze().byte().cpu().numpy()
        with whole_file(folder / f'{name}.png') as temporary:
            Image.fromarray(labels).save(temporary)

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Compute percentages: mIoU, aAcc, mAcc, each subset's mean, ``IoU.<class>``.

        A class that neither the labels nor the predictions contain is NaN, and is left
        out of every mean.

        Raises:
            InputError: No pixel has a label.
        """
        if self.format_only:
            return {}
        if not sum(areas[3].sum() for areas in results):
            raise InputError(
                f'evaluator: no pixel of the {len(results)} labels has a class; check '
                'the labels folder and the label values of the data set'
            )
        metrics = super().compute_metrics([areas for *areas, _ in results])
        intersection, union = (
            np.stack([row[column] for row in results]).astype(np.int64)
            for column in (0, 1)
        )
        if self.counts:
            names = [name for *_, name in results]
            _write_counts(self.counts, self.dataset_meta, names, intersection, union)
        with np.errstate(invalid='ignore'):
            iou = 100 * intersection.sum(0) / union.sum(0)
        by_class = dict(zip(self.dataset_meta['classes'], iou.tolist(), strict=True))
        for name, classes in self.subsets.items():
            mean = np.nanmean([by_class[c] for c in classes])
            metrics[name] = round(float(mean), 2)
        return metrics | {f'IoU.{c}': round(v, 2) for c, v in by_class.items()}


def _write_counts(
    path: Path,
    meta: dict,
    names: Sequence[str],
    intersection: np.ndarray,
    union: np.ndarray,
) -> None:
    stems = [PurePath(name).name for name in names]
    with whole_file(path) as temporary:
        np.savez_compressed(
            temporary,
            # Short names if they are unique, as results before had.
            names=stems if len({*stems}) == len({*names}) else names,
            classes=meta['classes'],
            intersection=intersection,
            union=union,
        )
