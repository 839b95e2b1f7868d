"""Whether the parts of a study fit together."""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

from cfcontra_mm.errors import InputError
from cfcontra_mm.toystreets import write_toystreets

from .fields import SEED, check_arguments, for_seed

if TYPE_CHECKING:
    from .study import Preparation, Row, Study


def check_study(study: Study, path: Path) -> None:
    """Raise unless a study can be run.

    Args:
        study: The study, its fields of the right types.
        path: Its file, for the message.

    Raises:
        InputError: It has no rows or seeds, one of them twice, or two headings alike; a
            name that is none of its rows, headings or preparations; a row, column or
            preparation that says too little or too much; or arguments of the data
            that are unknown or missing.
    """
    _check_lists(study, path)
    _check_measured(study, path)
    _check_columns(study, path)
    _check_published(study, path)
    _check_figures(study, path)
    for preparation in study.preparations:
        _check_kind(preparation, path)
    _check_folders(study, path)
    _check_needs(study, path)
    _check_per_seed(study, path)
    _check_placeholders(study, path)
    if study.data is not None:
        check_arguments(write_toystreets, study.data, f'{path}: study.data')


def _check_lists(study: Study, path: Path) -> None:
    lists = {
        'rows': study.row_names(),
        'seeds': study.seeds,
        'headings': _headings(study),
        'preparations': [preparation.name for preparation in study.preparations],
    }
    for what, names in lists.items():
        for name in names:
            if names.count(name) > 1:
                raise InputError(f'{path}: {what} name {name!r} twice; change one')
    for what in ('rows', 'seeds'):
        if not lists[what]:
            raise InputError(f'{path}: {what} is empty; name at least one')


def _headings(study: Study) -> list[str]:
    return [*study.classes, 'mIoU', *(column.name for column in study.columns)]


def _check_measured(study: Study, path: Path) -> None:
    names = [row.name for row in study.measured()]
    if not names:
        raise InputError(f'{path}: no row has a config; give at least one')
    roles = {role: getattr(study, role) for role in ('baseline', 'oracle', 'reference')}
    named = [(role, name) for role, name in roles.items() if name is not None]
    named += [('feature_rows', name) for name in study.feature_rows]
    for role, name in named:
        if name not in names:
            raise InputError(
                f'{path}: {role} {name!r} is no row with a config; '
                f'choose from {", ".join(names)}'
            )


def _check_columns(study: Study, path: Path) -> None:
    for column in study.columns:
        if bool(column.key) == bool(column.classes):
            raise InputError(
                f'{path}: column {column.name!r} must set either key or classes'
            )


def _check_published(study: Study, path: Path) -> None:
    headings = _headings(study)
    for name, figures in study.published.items():
        if name not in study.row_names():
            raise InputError(
                f'{path}: published names {name!r}, which is no row; '
                f'choose from {", ".join(study.row_names())}'
            )
        for heading in figures:
            # Without classes of its own, a study has those that its test will name.
            if study.classes and heading not in headings:
                raise InputError(
                    f'{path}: published figures of {name!r} name {heading!r}, which is '
                    f'no heading; choose from {", ".join(headings)}'
                )


def _check_figures(study: Study, path: Path) -> None:
    for row in study.rows:
        if not row.config and row.name not in study.published:
            raise InputError(
                f'{path}: row {row.name!r} has neither a config nor published figures; '
                'give one of them'
            )


def _check_kind(preparation: Preparation, path: Path) -> None:
    train, translate, out = preparation.train, preparation.translate, preparation.out
    if bool(train) == bool(translate) or bool(translate) != bool(out):
        raise InputError(
            f'{path}: preparation {preparation.name!r} must set either train, or '
            'translate and out'
        )


def _check_folders(study: Study, path: Path) -> None:
    seeded = {name for row in study.rows for name in row.per_seed}
    owners: dict[Path, str] = {}
    for preparation in study.preparations:
        seeds = study.seeds if preparation.name in seeded else ()
        for folder in map(preparation.folder, (None, *seeds)):
            owner = owners.setdefault(folder, preparation.name)
            if owner != preparation.name:
                raise InputError(
                    f'{path}: preparations {owner!r} and {preparation.name!r} both '
                    f'write to {folder}; leave one out'
                )


def _check_needs(study: Study, path: Path) -> None:
    names = [preparation.name for preparation in study.preparations]
    for entry in (*study.rows, *study.preparations):
        for need in (*entry.needs, *getattr(entry, 'per_seed', ())):
            if need not in names:
                raise InputError(
                    f'{path}: {entry.name!r} needs {need!r}, which is no preparation; '
                    f'choose from {", ".join(names) or "none"}'
                )
    try:
        TopologicalSorter({p.name: p.needs for p in study.preparations}).prepare()
    except CycleError as error:
        circle = ' -> '.join(error.args[1])
        raise InputError(
            f'{path}: preparations need each other: {circle}; break the circle'
        ) from error


def _check_per_seed(study: Study, path: Path) -> None:
    preparations = {p.name: p for p in study.preparations}
    owners: dict[str, Row] = {}
    for row in study.rows:
        for name in row.per_seed:
            if name in row.needs:
                raise InputError(
                    f'{path}: row {row.name!r} has {name!r} in needs and in per_seed; '
                    'leave one out'
                )
            owner = owners.setdefault(name, row)
            theirs, ours = (_chain(name, preparations, r) for r in (owner, row))
            if theirs != ours:
                differing = ', '.join(sorted(theirs ^ ours))
                raise InputError(
                    f'{path}: rows {owner.name!r} and {row.name!r} share {name!r}, but '
                    f'{differing} is in per_seed of one alone; name it in both'
                )


def _chain(name: str, preparations: Mapping[str, Preparation], row: Row) -> set[str]:
    """The preparations per seed that one per seed builds on, itself included."""
    needs = [need for need in preparations[name].needs if need in row.per_seed]
    return {name}.union(*(_chain(need, preparations, row) for need in needs))


def _check_placeholders(study: Study, path: Path) -> None:
    preparations = {p.name: p for p in study.preparations}
    todo = [need for row in study.rows for need in row.needs]
    for row in study.rows:
        for name in row.per_seed:
            todo += set(preparations[name].needs).difference(row.per_seed)
    while todo:
        preparation = preparations[todo.pop()]
        todo += preparation.needs
        if preparation.overrides != for_seed(preparation.overrides, 0):
            raise InputError(
                f'{path}: preparation {preparation.name!r} has {SEED} in its '
                'overrides, but is made once for all seeds; name it in per_seed of the '
                'rows that need it'
            )
