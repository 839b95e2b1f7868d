"""Tables from the values in label files to class indices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from reprlib import repr as shortened

import numpy as np
from mmengine import fileio
from mmseg.datasets import CityscapesDataset

from cfcontra_mm.config.plain_yaml import read_yaml
from cfcontra_mm.errors import InputError

CITYSCAPES_METAINFO = CityscapesDataset.METAINFO

IGNORE_INDEX = 255

UNKNOWN_INDEX = 254
"""Entry of a table for label values that its data set, or class file, does not have."""


def _table(train_ids: Mapping[int, int], rest: int = IGNORE_INDEX) -> np.ndarray:
    table = np.full(256, rest, np.uint8)
    table[list(train_ids)] = list(train_ids.values())
    return table


# Label id -> trainId of https://github.com/mcordts/cityscapesScripts (labels.py).
# GTA5 uses the same ids.
_CITYSCAPES_IDS = (
    *(7, 8, 11, 12, 13, 17, 19, 20, 21, 22),
    *(23, 24, 25, 26, 27, 28, 31, 32, 33),
)

# Class ids of SYNTHIA-RAND-CITYSCAPES (from its README), in the order of the trainIds.
_SYNTHIA_IDS = (3, 4, 2, 21, 5, 7, 15, 9, 6, 16, 1, 10, 17, 8, 18, 19, 20, 12, 11)

LABEL_TABLES = {
    'cityscapes': _table({id_: i for i, id_ in enumerate(_CITYSCAPES_IDS)}),
    'synthia': _table({id_: i for i, id_ in enumerate(_SYNTHIA_IDS)}),
}
"""For each data set, the trainId (0-18, or 255: ignored) of each label value 0-255."""

# 34 is the licence plate, in GTA5 alone: Cityscapes' own has no pixels.
LABEL_IDS = {'cityscapes': range(35), 'synthia': range(23)}
"""The label values that each data set has, beside 255."""


def checked_table(name: str) -> np.ndarray:
    """Return a table of ``LABEL_TABLES`` with ``UNKNOWN_INDEX`` for other values."""
    table = LABEL_TABLES[name].copy()
    table[len(LABEL_IDS[name]) : IGNORE_INDEX] = UNKNOWN_INDEX
    return table


@dataclass(frozen=True)
class ClassTable:
    """The classes of a user's own data set.

    Attributes:
        names: Class names, in the order of the network's outputs.
        palette: RGB colour of each class, 0-255.
        table: Class index of each label value, (256,), uint8: 255 for ignored values,
            ``UNKNOWN_INDEX`` for values that the class file does not list.
    """

    names: tuple[str, ...]
    palette: list[list[int]]
    table: np.ndarray

    @property
    def metainfo(self) -> dict:
        """Names and palette, as the ``metainfo`` of MMSegmentation's data sets."""
        return dict(classes=self.names, palette=self.palette)


def read_classes(path: str) -> ClassTable:
    """Read a class file.

    It is a YAML file with a list ``classes``, each with ``name``, ``color`` (RGB,
    0-255) and ``values`` (its values in the label files, 0-255), and optionally a list
    ``ignore`` of the label values that belong to no class (default: 255).

    Args:
        path: The class file, ``.yaml`` or ``.yml``.

    Raises:
        InputError: The file does not exist or is not YAML, or a key is missing or
            wrong.
    """
    content = _load_yaml(path)
    classes = content.get('classes')
    if not isinstance(classes, list) or not 2 <= len(classes) <= UNKNOWN_INDEX:
        raise InputError(
            f'{path}: classes: must list 2 to {UNKNOWN_INDEX} classes; to learn a '
            'single one, list what is not of it as another'
        )
    names, palette = [], []
    index_of: dict[int, int] = {}
    for index, entry in enumerate(classes):
        where = f'{path}: classes[{index}]'
        name, color, values = _read_class(entry, where)
        if name in names:
            raise InputError(f'{where}: duplicate class name {_shorten(name)}')
        names.append(name)
        palette.append(color)
        _assign(index_of, values, index, where)
    where = f'{path}: ignore'
    ignored = _values(content.get('ignore', [IGNORE_INDEX]), where)
    _assign(index_of, ignored, IGNORE_INDEX, where)
    return ClassTable(tuple(names), palette, _table(index_of, rest=UNKNOWN_INDEX))


def _load_yaml(path: str) -> dict:
    if not fileio.isfile(path):
        raise InputError(f'{path}: no such class file; give a YAML file of classes')
    if not path.endswith(('.yaml', '.yml')):
        raise InputError(f'{path}: a class file must end in .yaml')
    with fileio.get_local_path(path) as local:
        content = read_yaml(local)
    if not isinstance(content, dict):
        raise InputError(f'{path}: must be a mapping with a list of classes')
    unknown = sorted(map(_shorten, set(content) - {'classes', 'ignore'}))
    if unknown:
        raise InputError(f'{path}: unknown key {unknown[0]}; use classes or ignore')
    return content


def _read_class(entry: object, where: str) -> tuple[str, list[int], list[int]]:
    if not isinstance(entry, dict) or set(entry) != {'name', 'color', 'values'}:
        raise InputError(f'{where}: must have the keys name, color and values')
    name, color = entry['name'], entry['color']
    if not isinstance(name, str) or not name:
        raise InputError(f'{where}.name: must be a string, not {_shorten(name)}')
    if len(_values(color, f'{where}.color')) != 3:
        raise InputError(
            f'{where}.color: must be [red, green, blue], not {_shorten(color)}'
        )
    values = _values(entry['values'], f'{where}.values')
    if not values:
        raise InputError(f'{where}.values: must list at least one label value')
    return name, color, values


def _values(values: object, where: str) -> list[int]:
    def valid(value: object) -> bool:
        return type(value) is int and 0 <= value <= 255

    if not isinstance(values, list) or not all(map(valid, values)):
        raise InputError(
            f'{where}: must be a list of integers in 0-255, not {_shorten(values)}'
        )
    return values


def _shorten(value: object) -> str:
    """Show a value of a class file, shortened."""
    try:
        return shortened(value)
    except ValueError:  # Python refuses to print integers of thousands of digits
        return 'a huge number'


def _assign(
    index_of: dict[int, int], values: list[int], index: int, where: str
) -> None:
    for value in values:
        if value in index_of:
            raise InputError(f'{where}: duplicate label value {value}')
        index_of[value] = index
