"""Load a study from its file, on its own pair of domains or on another."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from mmengine.config import ConfigDict

from cfcontra_mm.config import current_path, in_checkout, open_config
from cfcontra_mm.errors import InputError

from .fields import from_dict
from .search import (
    check_search,
    refuse_shared_data,
    searched_rows,
    with_derived_rows,
    with_trials,
)
from .study import Development, Study, check_study

PAIR_FIELDS = ('network', 'pair', 'preparations', 'data', 'development')
"""Fields that belong to the pair; ``_base_/PAIR.py`` beside a study may set them."""

DEVELOPMENT = '_development'
"""Suffix of the study of the trials, and of the folder of its results."""

TABLE_FIELDS = (
    *('baseline', 'oracle', 'reference', 'published', 'feature_rows'),
    'development',
)
"""Fields that the study of the trials does not have."""

OLD_SUFFIX = '_toystreets'
"""Suffix of the study files on ToyStreets up to version 0.1."""


def load_study(
    path: Path, network: str | None = None, pair: str | None = None
) -> Study:
    """Read a study from the ``study`` dict of a config file.

    Args:
        path: The file.
        network: Network to use instead of the study's; see
            :func:`~cfcontra_mm.config.open_config`.
        pair: Pair to use instead of the study's. Preparations, data and the network are
            those of ``_base_/PAIR.py`` beside the study, if that file exists.

    Raises:
        InputError: The file is missing or broken, or the study has a field that is
            unknown, missing or of the wrong type, or is inconsistent.
    """
    path, fields = _fields(path, network, pair)
    return _study(fields, path)


def load_trials(
    path: Path, network: str | None = None, pair: str | None = None
) -> Study | None:
    """Read the study of the trials by which settings of a study are chosen.

    Its rows are the trials of each row with a ``search``, on the development pair; its
    preparations and data are those of ``_base_/PAIR.py`` beside the study.

    Args:
        path: The file of the study.
        network: See :func:`load_study`.
        pair: Likewise.

    Returns:
        None if no row has a ``search``.

    Raises:
        InputError: See :func:`load_study`; or the trials would read the table's data.
    """
    path, fields = _fields(path, network, pair)
    study = _read_study(fields, path)
    check_search(study, path)
    if not study.development or not searched_rows(study):
        return None
    trials = _read_study(_trial_fields(fields, study.development, path), path)
    check_study(trials, path)
    refuse_shared_data(study, trials, path)
    return with_trials(trials, study.development)


def _fields(
    path: Path, network: str | None, pair: str | None
) -> tuple[Path, dict[str, Any]]:
    """Return the file of a study and its fields on this network and pair."""
    path, pair = _follow_old_name(path, pair)
    fields = _read(path)
    if pair is not None and pair != fields.get('pair'):
        fields = _on_pair(fields, path, pair)
    if network is not None and network != fields.get('network'):
        fields = _renamed(fields, network) | {'network': network}
    _drop_costs(fields, path)
    return path, fields


def _study(fields: dict[str, Any], path: Path) -> Study:
    study = with_derived_rows(_read_study(fields, path), path)
    check_study(study, path)
    return study


def _read_study(fields: dict[str, Any], path: Path) -> Study:
    _find_configs(fields, path)
    return from_dict(Study, fields, f'{path}: study')


def _trial_fields(
    fields: dict[str, Any], development: Development, path: Path
) -> dict[str, Any]:
    """Return the fields of the study of the trials, with the rows that are searched."""
    rows = [{**row, 'pair': None} for row in fields['rows'] if row.get('search')]
    kept = {key: fields[key] for key in fields if key not in TABLE_FIELDS}
    found = _on_pair(kept | {'rows': rows}, path, development.pair, 'development.pair')
    # The network is the table's; the pair's own file may name another one.
    return {key: found[key] for key in found if key not in TABLE_FIELDS} | {
        'name': f'{fields["name"]}{DEVELOPMENT}',
        'network': fields.get('network'),
        'seeds': [development.seed],
    }


def _read(path: Path) -> dict[str, Any]:
    config = open_config(path, import_modules=False)
    fields = config.get('study')
    if fields is None and 'model' in config:
        raise InputError(
            f'{path}: is the config of a run, not a study; use tools/train.py'
        )
    if not isinstance(fields, ConfigDict):
        raise InputError(f'{path}: no `study = dict(...)`; add it')
    return fields.to_dict()


def _find_configs(fields: dict[str, Any], path: Path) -> None:
    """Find the configs of rows and preparations from any working directory."""
    for key in ('rows', 'preparations'):
        for entry in fields.get(key) or ():
            named = entry if isinstance(entry, dict) else {}
            for name in ('config', 'train', 'translate'):
                if isinstance(named.get(name), str):
                    named[name] = str(in_checkout(Path(named[name]), path))


def _on_pair(
    fields: dict[str, Any], path: Path, pair: str, option: str = '--pair'
) -> dict[str, Any]:
    """Replace the fields of a study that belong to its pair by another pair's."""
    kept = {name: value for name, value in fields.items() if name not in PAIR_FIELDS}
    base = path.parent / '_base_' / f'{Path(pair).stem}.py'
    own = _read(base) if base.is_file() else {}
    if not own and any(row.get('needs') for row in fields.get('rows') or ()):
        raise InputError(
            f'{option} {pair}: its preparations are not known; write them into {base}, '
            'like those beside it'
        )
    return _renamed(kept, pair) | own | {'pair': pair}


def _renamed(fields: dict[str, Any], part: str) -> dict[str, Any]:
    """Append the name of a network or pair to the study's."""
    name = fields.get('name')
    return fields | {'name': f'{name}_{Path(part).stem}'} if name else fields


def _follow_old_name(path: Path, pair: str | None) -> tuple[Path, str | None]:
    """Return the study and pair that replace a study file of version 0.1."""
    path = current_path(path)
    name = path.name.replace(f'{OLD_SUFFIX}.py', '.py')
    table = path.parent.parent / 'studies' / name
    if path.exists() or name == path.name or not table.is_file():
        return path, pair
    warnings.warn(
        f'{path}: use {table} --pair toystreets instead', FutureWarning, stacklevel=3
    )
    return table, pair or 'toystreets'


def _drop_costs(fields: dict[str, Any], path: Path) -> None:
    """Drop the field ``cost`` that rows had up to version 0.1."""
    rows = [row for row in fields.get('rows') or () if isinstance(row, dict)]
    if [row.pop('cost') for row in rows if 'cost' in row]:
        warnings.warn(
            f'{path}: the field cost of a row is no longer used; remove it',
            FutureWarning,
            stacklevel=3,
        )
