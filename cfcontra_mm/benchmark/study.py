"""What is compared: rows of a table, each a config trained with several seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TypeVar

from mmengine.config import Config

from cfcontra_mm.errors import InputError


@dataclass(frozen=True)
class Row:
    """One method of the table.

    Args:
        name: Heading of the row, unique in its study.
        config: Config file, relative to the working directory.
        cost: Rough time of one iteration relative to the cheapest row; decides
            which runs start first and the ETA of runs that have not started.
        needs: Names of the preparations that its runs build on.
    """

    name: str
    config: str
    cost: float = 1.0
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Preparation:
    """What must be made once before the rows that need it: a training or a copy.

    Args:
        name: Unique among the study's preparations.
        train: Config to train, in the folder that ``tools/train.py`` chooses.
        translate: Config of a translator, trained in such a folder, whose data are
            copied in another style; in place of ``train``.
        out: Folder of that copy.
        needs: Names of the preparations that this one builds on.
    """

    name: str
    train: str | None = None
    translate: str | None = None
    out: str | None = None
    needs: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        return 'train' if self.train else 'translate'

    @property
    def config(self) -> str:
        return self.train or self.translate

    @property
    def folder(self) -> Path:
        return Path(self.out) if self.out else default_work_dir(self.config)


@dataclass(frozen=True)
class Study:
    """Rows to compare, and the two that every other row is measured against.

    Args:
        name: Name of the study.
        rows: Rows in the order of the table.
        baseline: Row that gains are counted from.
        oracle: Row that stands for the upper bound.
        seeds: Every row is trained once with each.
        data: Arguments of
            :func:`cfcontra_mm.datasets.toystreets.write_toystreets`, which writes
            what is missing of the data.
        preparations: What rows may need.
    """

    name: str
    rows: tuple[Row, ...]
    baseline: str
    oracle: str
    seeds: tuple[int, ...]
    data: dict
    preparations: tuple[Preparation, ...] = ()

    def row_names(self) -> list[str]:
        return [row.name for row in self.rows]


def default_work_dir(config: str) -> Path:
    """The folder that ``tools/train.py`` trains a config in by default."""
    path = Path(config).resolve()
    return Path('work_dirs', path.parent.name, path.stem)


def load_study(path: Path) -> Study:
    """Read a study from the ``study`` dict of a config file.

    Raises:
        InputError: The file is missing, has an unknown or missing field, two rows
            or preparations of one name, a baseline or oracle that is no row, or
            preparations that cannot be made or are not there.
    """
    fields = read_config(path).get('study')
    if fields is None:
        raise InputError(f'{path}: no `study = dict(...)` in it; add one')
    fields = fields.to_dict()
    try:
        study = Study(
            rows=_entries(Row, fields.pop('rows')),
            preparations=_entries(Preparation, fields.pop('preparations', ())),
            seeds=tuple(fields.pop('seeds')),
            **fields,
        )
    except (KeyError, TypeError) as error:
        raise InputError(f'{path}: study has a wrong field: {error}') from error
    _check(study, path)
    return study


Entry = TypeVar('Entry', Row, Preparation)


def _entries(kind: type[Entry], items: Sequence[dict]) -> tuple[Entry, ...]:
    return tuple(kind(**{**i, 'needs': tuple(i.get('needs', ()))}) for i in items)


def read_config(path: Path | str) -> Config:
    """Read a config file without importing what it names.

    Raises:
        InputError: There is no such file.
    """
    if not Path(path).is_file():
        raise InputError(
            f'{path}: no such config; give its path from the working directory'
        )
    return Config.fromfile(path, import_custom_modules=False)


def _check(study: Study, path: Path) -> None:
    names = study.row_names()
    _check_unique(names, 'rows', path)
    for field in ('baseline', 'oracle'):
        if getattr(study, field) not in names:
            raise InputError(
                f'{path}: {field} {getattr(study, field)!r} is no row; '
                f'choose from {", ".join(names)}'
            )
    if not study.seeds:
        raise InputError(f'{path}: seeds is empty; name at least one')
    for preparation in study.preparations:
        _check_kind(preparation, path)
    _check_folders(study.preparations, path)
    _check_needs(study, path)


def _check_unique(names: Sequence[str], what: str, path: Path) -> None:
    for name in names:
        if names.count(name) > 1:
            raise InputError(f'{path}: two {what} are named {name!r}; rename one')


def _check_kind(preparation: Preparation, path: Path) -> None:
    train, translate, out = preparation.train, preparation.translate, preparation.out
    if bool(train) == bool(translate) or bool(translate) != bool(out):
        raise InputError(
            f'{path}: preparation {preparation.name!r} must set either train, or '
            'translate and out'
        )


def _check_folders(preparations: Sequence[Preparation], path: Path) -> None:
    owners: dict[Path, str] = {}
    for preparation in preparations:
        owner = owners.setdefault(preparation.folder, preparation.name)
        if owner != preparation.name:
            raise InputError(
                f'{path}: preparations {owner!r} and {preparation.name!r} both write '
                f'to {preparation.folder}; leave one out'
            )


def _check_needs(study: Study, path: Path) -> None:
    names = [preparation.name for preparation in study.preparations]
    _check_unique(names, 'preparations', path)
    for entry in (*study.rows, *study.preparations):
        for need in entry.needs:
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
