"""From the values in label files to class indices."""

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
"""What a class file's table holds for a label value that the file does not list."""


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

# SYNTHIA-RAND-CITYSCAPES has ids of its own (its README), here by trainId.
_SYNTHIA_IDS = (3, 4, 2, 21, 5, 7, 15, 9, 6, 16, 1, 10, 17, 8, 18, 19, 20, 12, 11)

LABEL_TABLES = {
    'cityscapes': _table({id_: i for i, id_ in enumerate(_CITYSCAPES_IDS)}),
    'synthia': _table({id_: i for i, id_ in enumerate(_SYNTHIA_IDS)}),
}
"""Label value (0-255) -> trainId (0-18, or 255: not scored) by name of the data set."""


@dataclass(frozen=True)
class ClassTable:
    """The classes of a user's own data set.

    Attributes:
        names: Class names, in the order of the network's outputs.
        palette: An RGB colour for each class.
        table: (256,) uint8, label value -> class index, 255 for ignored values and
            `UNKNOWN_INDEX` for those that the class file does not list.
    """

    names: tuple[str, ...]
    palette: list[list[int]]
    table: np.ndarray

    @property
    def metainfo(self) -> dict:
        """What MMSegmentation's data sets call their metainfo."""
        return dict(classes=self.names, palette=self.palette)


def read_classes(path: str) -> ClassTable:
    """Reads a class file.

    It is a YAML file with a list `classes`, each with `name`, `color` (RGB, 0-255) and
    `values` (its values in the label files, 0-255), and optionally a list `ignore` of
    the label values that belong to no class (default: 255).

    Raises:
        InputError: No such file, no YAML, or a field that is missing or wrong.
    """
    content = _load_yaml(path)
    classes = content.get('classes')
    if not isinstance(classes, list) or not 0 < len(classes) <= UNKNOWN_INDEX:
        raise InputError(f'{path}: `classes` must list 1 to {UNKNOWN_INDEX} classes')
    names, palette, owner = [], [], {}
    for index, entry in enumerate(classes):
        where = f'{path}: classes[{index}]'
        name, color, values = _read_class(entry, where)
        if name in names:
            raise InputError(f'{where}: the name {_shown(name)} is given twice')
        names.append(name)
        palette.append(color)
        _own(owner, values, index, where)
    ignored = content.get('ignore', [IGNORE_INDEX])
    _own(owner, _values(ignored, f'{path}: ignore'), IGNORE_INDEX, f'{path}: ignore')
    return ClassTable(tuple(names), palette, _table(owner, rest=UNKNOWN_INDEX))


def _load_yaml(path: str) -> dict:
    if not fileio.isfile(path):
        raise InputError(f'{path}: no such class file; give a YAML file of classes')
    if not path.endswith(('.yaml', '.yml')):
        raise InputError(f'{path}: a class file must end in .yaml')
    with fileio.get_local_path(path) as local:
        content = read_yaml(local)
    if not isinstance(content, dict):
        raise InputError(f'{path}: must hold a list `classes`')
    unknown = sorted(map(_shown, set(content) - {'classes', 'ignore'}))
    if unknown:
        raise InputError(f'{path}: unknown field {unknown[0]}; use classes, ignore')
    return content


def _read_class(entry: object, where: str) -> tuple[str, list[int], list[int]]:
    if not isinstance(entry, dict) or set(entry) != {'name', 'color', 'values'}:
        raise InputError(f'{where}: must have the fields name, color, values')
    name, color = entry['name'], entry['color']
    if not isinstance(name, str) or not name:
        raise InputError(f'{where}.name: must be a text, not {_shown(name)}')
    if len(_values(color, f'{where}.color')) != 3:
        raise InputError(
            f'{where}.color: must be [red, green, blue], not {_shown(color)}'
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
            f'{where}: must be a list of integers 0-255, not {_shown(values)}'
        )
    return values


def _shown(value: object) -> str:
    """A value of a class file, cut short."""
    try:
        return shortened(value)
    except ValueError:  # Python prints no number of thousands of digits
        return 'a huge number'


def _own(owner: dict[int, int], values: list[int], index: int, where: str) -> None:
    for value in values:
        if value in owner:
            raise InputError(f'{where}: the label value {value} is given twice')
        owner[value] = index
