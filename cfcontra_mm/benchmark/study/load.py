"""A study file to a study, on its own pair of domains or on another."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cfcontra_mm.config import open_config
from cfcontra_mm.errors import InputError

from .fields import from_dict
from .study import Study, check_study

OF_A_PAIR = ('network', 'pair', 'preparations', 'data')
"""Fields that ``_base_/PAIR.py`` beside a study may set, and that go with the pair."""

TWIN = '_toystreets'
"""End of the names of files that were tables on ToyStreets up to version 0.1."""


def load_study(
    path: Path, network: str | None = None, pair: str | None = None
) -> Study:
    """Read a study from the ``study`` dict of a config file.

    Args:
        path: The file.
        network: In place of the study's; see :func:`~cfcontra_mm.config.open_config`.
        pair: Likewise. Preparations, data and the network come from ``_base_/PAIR.py``
            beside the study, where there is such a file.

    Raises:
        InputError: The file is missing or broken, or the study in it has a field that
            is unknown, missing or of a wrong type, or is not in itself consistent.
    """
    path, pair = _of_a_twin(path, pair)
    fields = _read(path)
    if pair is not None and pair != fields.get('pair'):
        fields = _on_pair(fields, path, pair)
    if network is not None and network != fields.get('network'):
        fields = _renamed(fields, network) | {'network': network}
    _forget_costs(fields, path)
    study = from_dict(Study, fields, f'{path}: study')
    check_study(study, path)
    return study


def _read(path: Path) -> dict[str, Any]:
    fields = open_config(path, import_modules=False).get('study')
    if not isinstance(fields, Mapping):
        raise InputError(f'{path}: no `study = dict(...)` in it; add one')
    return fields.to_dict()


def _on_pair(fields: dict[str, Any], path: Path, pair: str) -> dict[str, Any]:
    """The fields of a study on another pair, without what belongs to its own."""
    kept = {name: value for name, value in fields.items() if name not in OF_A_PAIR}
    base = path.parent / '_base_' / f'{Path(pair).stem}.py'
    own = _read(base) if base.is_file() else {}
    return _renamed(kept, pair) | own | {'pair': pair}


def _renamed(fields: dict[str, Any], part: str) -> dict[str, Any]:
    """The fields, the name with that of the network or pair added."""
    name = fields.get('name')
    return fields | {'name': f'{name}_{Path(part).stem}'} if name else fields


def _of_a_twin(path: Path, pair: str | None) -> tuple[Path, str | None]:
    """The study and pair that a table on ToyStreets is now, if the path names one."""
    name = path.name.replace(f'{TWIN}.py', '.py')
    table = path.parent.parent / 'studies' / name
    if path.exists() or name == path.name or not table.is_file():
        return path, pair
    warnings.warn(
        f'{path}: is now {table} --pair toystreets', FutureWarning, stacklevel=3
    )
    return table, pair or 'toystreets'


def _forget_costs(fields: dict[str, Any], path: Path) -> None:
    """Leave out the field ``cost`` that rows had up to version 0.1."""
    rows = [row for row in fields.get('rows') or () if isinstance(row, dict)]
    if [row.pop('cost') for row in rows if 'cost' in row]:
        warnings.warn(
            f'{path}: the cost of a row is not used any more; leave it out',
            FutureWarning,
            stacklevel=3,
        )
