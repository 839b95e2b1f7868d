"""What is compared: rows of a table, each a config trained with several seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from mmengine.config import Config

from cfcontra_mm.config import open_config
from cfcontra_mm.errors import InputError
from cfcontra_mm.toystreets import write_toystreets

from .fields import SEED, check_arguments, for_seed


@dataclass(frozen=True)
class Row:
    """One method of the table.

    Args:
        name: Heading of the row, unique in its study.
        config: Config file, relative to the working directory; None for a row that
            has published figures alone.
        overrides: Settings in place of the config's, by their dotted keys; ``{seed}``
            in them, and in those of what is in ``per_seed``, is the run's seed.
        needs: Names of the preparations that its runs build on.
        per_seed: Further ones, which are made once with each seed: the run of a seed
            builds on those of its seed, and so do they on each other.
        network: In place of the config's own and of the study's; see
            :func:`~cfcontra_mm.config.open_config`.
        pair: Likewise.
    """

    name: str
    config: str | None = None
    overrides: dict[str, Any] = field(default_factory=dict, hash=False)
    needs: tuple[str, ...] = ()
    per_seed: tuple[str, ...] = ()
    network: str | None = None
    pair: str | None = None


@dataclass(frozen=True)
class Column:
    """A further figure of every row, mean over seeds.

    Args:
        name: Heading.
        key: Metric of the test, or else a value that the training logs, mean over the
            last tenth of its iterations.
        scale: Factor of that value.
        digits: Decimal places.
        classes: In place of ``key``: the figure is the mean IoU of these classes.
    """

    name: str
    key: str = ''
    scale: float = 1.0
    digits: int = 1
    classes: Sequence[str] = ()


@dataclass(frozen=True)
class Preparation:
    """What must be made before the rows that need it: a training or a copy.

    It is made once, but for rows that name it in ``per_seed`` once with each seed.

    Args:
        name: Unique among the study's preparations.
        train: Config to train, in the folder that ``tools/train.py`` chooses.
        translate: Config of a translator, trained in such a folder, whose data are
            copied in another style; in place of ``train``.
        out: Folder of that copy.
        needs: Names of the preparations that this one builds on.
        overrides: Settings in place of the config's, by their dotted keys.
    """

    name: str
    train: str | None = None
    translate: str | None = None
    out: str | None = None
    needs: tuple[str, ...] = ()
    overrides: dict[str, Any] = field(default_factory=dict, hash=False)

    @property
    def kind(self) -> str:
        return 'train' if self.train else 'translate'

    @property
    def config(self) -> str:
        return self.train or self.translate

    def folder(self, seed: int | None = None) -> Path:
        """Folder that it fills, or the one that it fills with this seed."""
        folder = Path(self.out) if self.out else default_work_dir(self.config)
        return folder if seed is None else folder.with_name(f'{folder.name}_seed{seed}')


@dataclass(frozen=True)
class Study:
    """Rows to compare, and those that every other row is measured against.

    Args:
        name: Name of the study.
        rows: Rows in the order of the table.
        seeds: Every row is trained once with each.
        baseline: Row that gains are counted from.
        oracle: Row that stands for the upper bound.
        reference: Row that differences are tested against.
        shared: Overrides of every row, before its own.
        classes: Classes of the table and of its mIoU; all if empty.
        columns: Further figures.
        published: Figures of papers, by row and then by the table's headings: 'mIoU',
            classes and columns.
        data: Arguments of
            :func:`cfcontra_mm.toystreets.write_toystreets`, which writes
            what is missing of the data; None for data that is there.
        preparations: What rows may need.
        feature_rows: Rows whose pixel features the report shows.
        block_length: So many neighbouring validation images are drawn together when
            chance is weighed: frames of a video are no chances of their own.
        network: Of every row that names none, in place of its config's own.
        pair: Likewise.
    """

    name: str
    rows: tuple[Row, ...]
    seeds: tuple[int, ...]
    baseline: str | None = None
    oracle: str | None = None
    reference: str | None = None
    shared: dict[str, Any] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    columns: tuple[Column, ...] = ()
    published: Mapping[str, Mapping[str, float | str]] = field(default_factory=dict)
    data: dict[str, Any] | None = None
    preparations: tuple[Preparation, ...] = ()
    feature_rows: tuple[str, ...] = ()
    block_length: int = 1
    network: str | None = None
    pair: str | None = None

    def measured(self) -> list[Row]:
        """Rows that are trained here."""
        return [row for row in self.rows if row.config]

    def overrides(self, row: Row, seed: int | None = None) -> dict[str, Any]:
        """What a row changes in its config for a seed, by default the first."""
        seed = self.seeds[0] if seed is None else seed
        return for_seed({**self.shared, **row.overrides}, seed)

    def resolve(self, row: Row, seed: int | None = None) -> Config:
        """The config of a row, over its network and pair, with all that it overrides.

        Args:
            row: The row.
            seed: Whose overrides; by default the study's first.

        Raises:
            InputError: The file is missing or broken, or an override, the network or
                the pair does not fit.
        """
        return open_config(
            row.config,
            self.overrides(row, seed),
            network=row.network or self.network,
            pair=row.pair or self.pair,
            import_modules=False,
        )

    def test_config(self) -> Config:
        """The config whose test split is shown in pictures: that of the first row.

        Raises:
            InputError: See :meth:`resolve`.
        """
        return self.resolve(self.measured()[0])

    def row_names(self) -> list[str]:
        return [row.name for row in self.rows]


def default_work_dir(config: str) -> Path:
    """The folder that ``tools/train.py`` trains a config in by default."""
    path = Path(config).resolve()
    return Path('work_dirs', path.parent.name, path.stem)


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
