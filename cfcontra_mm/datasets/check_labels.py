"""Decode a sample of the labels of a data set, as its pipeline does, and judge them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms import LoadAnnotations as MMCVLoadAnnotations
from mmengine.registry import DefaultScope
from mmseg.registry import TRANSFORMS
from prettytable import PrettyTable

from cfcontra_mm.datasets.classes import IGNORE_INDEX, LABEL_TABLES
from cfcontra_mm.datasets.parallel import in_threads
from cfcontra_mm.datasets.transforms import LoadLabels, MapLabels
from cfcontra_mm.errors import InputError
from cfcontra_mm.images import Header, name_errors

SAMPLED_LABELS = 200
"""Number of images and of labels of a data set that are decoded at most."""

MAX_IGNORED = 0.5
"""Share of pixels without a class above which there is a warning."""

LAST_TRAIN_ID = 18

Item = TypeVar('Item')

MAX_VOID, MAX_VOID_IDS = 0.25, 4
"""Share of the pixels, and number of ids, without a class in label ids up to 18."""


class LabelReader:
    """The part of a pipeline that reads labels.

    Args:
        pipeline: The configs of a data set's transforms.
    """

    def __init__(self, pipeline: Sequence[dict]) -> None:
        with DefaultScope.overwrite_default_scope('mmseg'):
            built = [TRANSFORMS.build(step) for step in pipeline if _is_read(step)]
        self.loads: list[BaseTransform] = [
            step for step in built if isinstance(step, MMCVLoadAnnotations)
        ]
        self.maps: list[MapLabels] = [s for s in built if isinstance(s, MapLabels)]

    def check_header(self, path: str, label: Header, image: Header) -> None:
        """Check what the header of a label tells, given that of its image.

        Raises:
            InputError: The label is of another kind or of another size.
        """
        for load in self.loads:
            if isinstance(load, LoadLabels):
                load.check_header(label, path)
        for to_classes in self.maps:
            to_classes.check_size(path, label.size, image.shown_size)

    def count(self, info: dict) -> np.ndarray:
        """Count the pixels of each value of a label, before and after the mapping.

        Args:
            info: What the data set tells about the image.

        Returns:
            Pixels, (2, 256), int64: by value in the file, and by class index.

        Raises:
            InputError: The label cannot be read, or has values that no class has.
        """
        results = dict(info, seg_fields=[])
        with name_errors(info['seg_map_path']):
            for load in self.loads:
                results = load(results)
        label = results['gt_seg_map']
        if label.ndim != 2 or label.max() > IGNORE_INDEX:
            raise LoadLabels().wrong_kind(info['seg_map_path'])
        for to_classes in self.maps:
            results = to_classes(results)
        return np.stack([_histogram(label), _histogram(results['gt_seg_map'])])

    def values(self) -> list[str]:
        """Return the label values of each of the 256 classes, as text."""
        table = self.maps[0].table if self.maps else np.arange(256)
        return [
            ', '.join(map(str, np.flatnonzero(table == index))) for index in range(256)
        ]


def _is_read(step: dict) -> bool:
    """Tell whether a transform reads or maps labels."""
    kind = step.get('type')
    kind = TRANSFORMS.get(kind) if isinstance(kind, str) else kind
    return inspect.isclass(kind) and issubclass(kind, MMCVLoadAnnotations | MapLabels)


def _histogram(label: np.ndarray) -> np.ndarray:
    return np.bincount(label.ravel().astype(np.uint8), minlength=256)


def sampled(items: Sequence[Item]) -> list[Item]:
    """Return at most ``SAMPLED_LABELS`` items, evenly spaced."""
    number = min(SAMPLED_LABELS, len(items))
    chosen = np.linspace(0, len(items) - 1, number).round().astype(int)
    return [items[index] for index in chosen]


class LabelCounts(NamedTuple):
    """Pixels of the sampled labels of a data set.

    Attributes:
        place: The folder of the labels.
        values: Pixels of each value in the files, (256,).
        classes: Pixels of each class in each of N labels, (N, C).
        texts: The label values of each class, as text.
    """

    place: str
    values: np.ndarray
    classes: np.ndarray
    texts: list[str]


def count_labels(
    name: str,
    infos: Sequence[dict],
    reader: LabelReader,
    classes: int,
    folders: Mapping[str, str],
) -> LabelCounts:
    """Decode at most ``SAMPLED_LABELS`` labels, evenly spaced, and count their pixels.

    Args:
        name: Name of the data set, for a progress bar.
        infos: What the data set tells about its images.
        reader: Reads them.
        classes: Number of classes of the data set.
        folders: The folders of the data set.

    Raises:
        InputError: A label cannot be read, or the values are no ids of the data set, or
            no pixel has a class.
    """
    place = folders['seg_map_path']
    sample = sampled(infos)
    counts = np.stack(in_threads(reader.count, sample, f'labels of {name}'))
    for info, (_, row) in zip(sample, counts, strict=True):
        _check_range(info['seg_map_path'], row, classes)
    values, by_class = counts[:, 0].sum(0), counts[:, 1, :classes]
    _check_train_ids(place, values, reader)
    if not by_class.sum():
        raise InputError(
            f'{place}: no pixel of any class in {len(sample)} labels of {name}, only '
            f'the values {_listed(values)}; check the labels folder and the label '
            'values'
        )
    return LabelCounts(place, values, by_class, reader.values())


def _check_range(path: str, counts: np.ndarray, classes: int) -> None:
    wrong = np.flatnonzero(counts[classes:IGNORE_INDEX]) + classes
    if len(wrong):
        raise InputError(
            f'{path}: class {wrong[0]} is not one of the {classes} classes; map label '
            "ids with MapLabels, for example table='cityscapes'"
        )


def _check_train_ids(place: str, values: np.ndarray, reader: LabelReader) -> None:
    """Refuse trainIds where Cityscapes' ids are expected.

    Ids nearly always exceed 18 (vegetation, sky, car), and most pixels have a class.
    TrainIds never exceed 18, and road, sidewalk and building, 0 to 2, are ids of no
    class.
    """
    if not any(step.source == 'cityscapes' for step in reader.maps):
        return
    ids = values[:IGNORE_INDEX]
    void = ids[LABEL_TABLES['cityscapes'][:IGNORE_INDEX] == IGNORE_INDEX]
    much_void = (
        void.sum() > MAX_VOID * ids.sum() or np.count_nonzero(void) > MAX_VOID_IDS
    )
    if much_void and not ids[LAST_TRAIN_ID + 1 :].any():
        raise InputError(
            f'{place}: the label values {_listed(values)} look like trainIds, not '
            'label ids; use the labels as downloaded, or remove MapLabels from the '
            'pipeline'
        )


def _listed(values: np.ndarray) -> str:
    return ', '.join(map(str, np.flatnonzero(values)[:20]))


def class_table(
    counts: dict[str, LabelCounts],
    classes: Sequence[str],
    weights: Sequence[float] | None,
) -> str:
    """Return a table of the classes: label values, shares of pixels, and images.

    Args:
        counts: Counts of each labelled data set, by its name.
        classes: Names of the classes.
        weights: Weight of each class in the loss, if there are any.
    """
    table = PrettyTable(align='r')
    table.add_column('class', list(classes), 'l')
    shown: list[list[str]] = []
    for name, found in counts.items():
        if found.texts not in shown:  # GTA5 and Cityscapes have the same ids
            table.add_column(f'values in {name}', found.texts[: len(classes)], 'l')
            shown.append(found.texts)
        shares = 100 * found.classes.sum(0) / found.classes.sum()
        table.add_column(f'% of {name}', [f'{share:.2f}' for share in shares], 'r')
        table.add_column(f'in {name} labels', [*(found.classes > 0).sum(0)], 'r')
    if weights is not None:
        table.add_column('weight', list(weights), 'r')
    return str(table)


def label_warnings(counts: dict[str, LabelCounts], classes: Sequence[str]) -> list[str]:
    """Return warnings about classes that do not occur and about ignored pixels.

    Args:
        counts: Counts of each labelled data set, by its name.
        classes: Names of the classes.
    """
    lines = []
    for name, found in counts.items():
        pixels = zip(classes, found.classes.sum(0), strict=True)
        absent = [c for c, number in pixels if not number]
        if absent:
            lines.append(
                f'warning: {len(found.classes)} labels of the {name} have no '
                f'{", ".join(absent)}'
            )
        ignored = 1 - found.classes.sum() / found.values.sum()
        if ignored > MAX_IGNORED:
            lines.append(
                f'warning: {ignored:.0%} of the pixels of the {name} have no class; '
                f'label values {_listed(found.values)} ({found.place})'
            )
    return lines
