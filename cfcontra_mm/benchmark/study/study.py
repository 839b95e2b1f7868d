"""A study: the rows of a table, each a config that is trained with several seeds."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from mmengine.config import Config

from cfcontra_mm.config import open_config
from cfcontra_mm.config.ranges import COUNT, FINITE, NATURAL, Range
from cfcontra_mm.config.ranges import SEED as SEEDS
from cfcontra_mm.errors import InputError
from cfcontra_mm.toystreets import CAMERAS, write_toystreets

from .fields import SEED, check_arguments, for_seed


@dataclass(frozen=True)
class Row:
    """One method of the table.

    Args:
        name: Name of the row, unique in its study.
        config: Config file, relative to the working directory; None for a row of
            published figures only.
        overrides: Overridden settings by their dotted keys. ``{seed}`` in them, and in
            the overrides of the preparations in ``per_seed``, is the run's seed.
        needs: Names of the preparations that its runs depend on.
        per_seed: Names of preparations that are made once per seed. The run of a seed
            depends on those of its seed, and so do they on each other.
        network: Network to use instead of the config's and the study's; see
            :func:`~cfcontra_mm.config.open_config`.
        pair: Pair to use instead of the config's and the study's.
        search: Lowest and highest value of settings to search on the development pair,
            by their dotted keys; see :mod:`.search`.
        control: Whether a row follows in which every loss of the method has weight 0.
    """

    name: str
    config: str | None = None
    overrides: dict[str, Any] = field(default_factory=dict, hash=False)
    needs: tuple[str, ...] = ()
    per_seed: tuple[str, ...] = ()
    network: str | None = None
    pair: str | None = None
    search: dict[str, tuple[float, ...]] = field(default_factory=dict, hash=False)
    control: bool = False

    @property
    def is_open(self) -> bool:
        """Whether its settings are still to be chosen, so that it cannot be run."""
        return False


@dataclass(frozen=True)
class TunedRow(Row):
    """A row with the settings of a trial of another row; a study file has none.

    Args:
        of: Name of the row whose settings are searched.
        score: Metric by which the trial is chosen.
        trial: Number of the chosen trial, None until all trials have ended.
    """

    of: str = ''
    score: str = 'mIoU'
    trial: int | None = None

    @property
    def is_open(self) -> bool:
        return self.trial is None


@dataclass(frozen=True)
class Development:
    """Where the settings of rows with a ``search`` are chosen.

    Args:
        pair: Another pair than that of the table.
        trials: Number of trainings for each of these rows, the published settings
            included.
        seed: Seed of the drawn settings and of every trial's training.
        label_free: A label-free score, such as ``'target/information'``, by which
            another row is chosen; none by default.
    """

    pair: str
    trials: int = 8
    seed: int = 0
    label_free: str | None = None


@dataclass(frozen=True)
class Column:
    """An additional column: one figure per row, averaged over seeds.

    Args:
        name: Heading.
        key: Metric of the test, or a value that the training logs, averaged over the
            last tenth of the iterations.
        scale: Factor that the value is multiplied with.
        digits: Decimal places.
        classes: Instead of ``key``: show the mean IoU of these classes.
    """

    name: str
    key: str = ''
    scale: float = 1.0
    digits: int = 1
    classes: Sequence[str] = ()


@dataclass(frozen=True)
class Preparation:
    """A step that rows depend on: a training, or the translation of a data set.

    It is made once; for rows that name it in ``per_seed``, once per seed.

    Args:
        name: Name, unique among the study's preparations.
        train: Config to train, in the default folder of ``tools/train.py``.
        translate: Instead of ``train``: config of a translator, trained in its default
            folder, which translates a data set into another style.
        out: Folder of the translated data set.
        needs: Names of the preparations that this one depends on.
        overrides: Overridden settings by their dotted keys.
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
        return self.train or self.translate or ''

    def folder(self, seed: int | None = None) -> Path:
        """Return its output folder; with a seed, that of the preparation per seed."""
        folder = Path(self.out) if self.out else default_work_dir(self.config)
        return folder if seed is None else folder.with_name(f'{folder.name}_seed{seed}')


@dataclass(frozen=True)
class Study:
    """The rows to compare, and how to compare them.

    Args:
        name: Name of the study.
        rows: Rows in the order of the table.
        seeds: Seeds that every row is trained with.
        baseline: Row that gains are relative to.
        oracle: Row that is the upper bound.
        reference: Row that all others are tested against for significance.
        shared: Overrides of all rows; those of a row take precedence.
        classes: Classes of the table and of its mIoU; all if empty.
        columns: Additional columns.
        published: Figures from papers, by row and then by heading: ``'mIoU'``, classes
            and columns.
        data: Arguments of :func:`cfcontra_mm.toystreets.write_toystreets`, which writes
            the missing part of the data; None for existing data.
        preparations: Preparations that rows may need.
        feature_rows: Rows whose pixel features the report shows.
        block_length: Number of neighbouring validation images that are one block for
            the intervals and tests over images, since the frames of a video are not
            independent; by default chosen by how far neighbours are correlated.
        network: Network of every row that names none, instead of its config's.
        pair: Pair of every row that names none, instead of its config's.
        development: Pair and number of the trials of rows with a ``search``.
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
    block_length: int | None = None
    network: str | None = None
    pair: str | None = None
    development: Development | None = None

    def measured(self) -> list[Row]:
        """Return the rows that are trained here."""
        return [row for row in self.rows if row.config]

    def planned(self) -> list[Row]:
        """Return the rows that are trained here and whose settings are known."""
        return [row for row in self.measured() if not row.is_open]

    def overrides(self, row: Row, seed: int | None = None) -> dict[str, Any]:
        """Return the overrides of a row for a seed, by default the study's first."""
        seed = self.seeds[0] if seed is None else seed
        return for_seed({**self.shared, **row.overrides}, seed)

    def resolve(self, row: Row, seed: int | None = None) -> Config:
        """Open the config of a row with its network, pair and overrides.

        Args:
            row: The row.
            seed: Seed of the overrides; by default the study's first.

        Raises:
            InputError: The file is missing or broken, or an override, the network or
                the pair does not fit.
        """
        return open_config(
            row.config or '',
            self.overrides(row, seed),
            network=row.network or self.network,
            pair=row.pair or self.pair,
            import_modules=False,
            origin=f'{row.config}: overrides of row {row.name!r}',
        )

    def test_config(self) -> Config:
        """Open the config of the first row, whose test split is shown in images.

        Raises:
            InputError: See :meth:`resolve`.
        """
        return self.resolve(self.measured()[0])

    def row_names(self) -> list[str]:
        return [row.name for row in self.rows]


def default_work_dir(config: str) -> Path:
    """Return the folder in which ``tools/train.py`` trains a config by default."""
    path = Path(config).resolve()
    return Path('work_dirs', path.parent.name, path.stem)


def check_study(study: Study, path: Path) -> None:
    """Check that a study is consistent.

    Args:
        study: The study, its fields of the right types.
        path: Its file, for the error message.

    Raises:
        InputError: Rows or seeds are missing; a row, seed, heading or preparation is
            duplicate; a row, heading or preparation is unknown; a row, column or
            preparation is incomplete or ambiguous; or an argument of the data is
            unknown or missing; or a number is out of its range.
    """
    _check_lists(study, path)
    _check_numbers(study, path)
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
        _check_camera(study.data, path)


def _check_camera(data: Mapping[str, Any], path: Path) -> None:
    camera = data.get('camera', CAMERAS[0])
    if camera not in CAMERAS:
        raise InputError(
            f'{path}: data.camera: must be one of {", ".join(CAMERAS)}, not {camera!r}'
        )


def _check_lists(study: Study, path: Path) -> None:
    lists = {
        'row name': study.row_names(),
        'seed': study.seeds,
        'heading': _headings(study),
        'preparation name': [preparation.name for preparation in study.preparations],
    }
    for what, names in lists.items():
        for name in names:
            if names.count(name) > 1:
                way_out = 'remove one' if what == 'seed' else 'rename one'
                raise InputError(f'{path}: duplicate {what} {name!r}; {way_out}')
    for field_name in ('rows', 'seeds'):
        if not getattr(study, field_name):
            raise InputError(f'{path}: {field_name} is empty; add at least one')


def _check_numbers(study: Study, path: Path) -> None:
    numbers: list[tuple[str, Range, Any]]
    numbers = [('seeds', SEEDS, seed) for seed in study.seeds]
    if study.block_length is not None:
        numbers.append(('block_length', COUNT, study.block_length))
    for column in study.columns:
        where = f'column {column.name!r}'
        numbers.append((f'{where}: digits', NATURAL, column.digits))
        numbers.append((f'{where}: scale', FINITE, column.scale))
    for name, value in (study.data or {}).items():
        if name.startswith('num_'):
            numbers.append((f'data.{name}', COUNT, value))
        elif name == 'seed':
            numbers.append(('data.seed', SEEDS, value))
    for what, limits, value in numbers:
        if not limits.holds(value):
            raise InputError(f'{path}: {what}: must be {limits.words}, not {value!r}')


def warn_of_other_data(study: Study, configs: Mapping[str, Config]) -> None:
    """Warn of a row that is tested on other images than the first one.

    Args:
        study: The study.
        configs: The config of each row.
    """
    data = {name: _test_data(config) for name, config in configs.items()}
    tested = {name: place for name, place in data.items() if place}
    first = next(iter(tested), '')
    for name, place in tested.items():
        if place != tested[first]:
            warnings.warn(
                f'{study.name}: row {name!r} is tested on {place}, but {first!r} on '
                f'{tested[first]}; their figures cannot be compared',
                stacklevel=3,
            )


def _test_data(config: Config) -> str:
    dataset = (config.get('test_dataloader') or {}).get('dataset') or {}
    folders = config.get('folders') or {}
    places = [dataset.get('data_root'), folders.get('val_images')]
    places.append((dataset.get('data_prefix') or {}).get('img_path'))
    return ', '.join(place for place in places if place)


def _headings(study: Study) -> list[str]:
    return [*study.classes, 'mIoU', *(column.name for column in study.columns)]


def _check_measured(study: Study, path: Path) -> None:
    names = [row.name for row in study.measured()]
    if not names:
        raise InputError(f'{path}: no row has a config; add one to at least one row')
    roles = {role: getattr(study, role) for role in ('baseline', 'oracle', 'reference')}
    named = [(role, name) for role, name in roles.items() if name is not None]
    named += [('feature_rows', name) for name in study.feature_rows]
    for role, name in named:
        if name not in names:
            raise InputError(
                f'{path}: {role} {name!r} is not a row with a config; '
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
                f'{path}: unknown row {name!r} in published; '
                f'choose from {", ".join(study.row_names())}'
            )
        for heading in figures:
            # A study without a list of classes has those of its test set.
            if study.classes and heading not in headings:
                raise InputError(
                    f'{path}: unknown heading {heading!r} in the published figures of '
                    f'{name!r}; choose from {", ".join(headings)}'
                )


def _check_figures(study: Study, path: Path) -> None:
    for row in study.rows:
        if not row.config and row.name not in study.published:
            raise InputError(
                f'{path}: row {row.name!r} has neither a config nor published figures; '
                'add one of them'
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
                    f'write to {folder}; remove one'
                )


def _check_needs(study: Study, path: Path) -> None:
    names = [preparation.name for preparation in study.preparations]
    entries: tuple[Row | Preparation, ...] = (*study.rows, *study.preparations)
    for entry in entries:
        for need in (*entry.needs, *getattr(entry, 'per_seed', ())):
            if need not in names:
                raise InputError(
                    f'{path}: {entry.name!r} needs an unknown preparation {need!r}; '
                    f'choose from {", ".join(names) or "none"}'
                )
    try:
        TopologicalSorter({p.name: p.needs for p in study.preparations}).prepare()
    except CycleError as error:
        cycle = ' -> '.join(error.args[1])
        raise InputError(
            f'{path}: circular dependency of preparations: {cycle}; remove one need'
        ) from error


def _check_per_seed(study: Study, path: Path) -> None:
    preparations = {p.name: p for p in study.preparations}
    owners: dict[str, Row] = {}
    for row in study.rows:
        for name in row.per_seed:
            if name in row.needs:
                raise InputError(
                    f'{path}: row {row.name!r} has {name!r} in needs and in per_seed; '
                    'remove one'
                )
            owner = owners.setdefault(name, row)
            theirs, ours = (_chain(name, preparations, r) for r in (owner, row))
            if theirs != ours:
                differing = ', '.join(sorted(theirs ^ ours))
                raise InputError(
                    f'{path}: rows {owner.name!r} and {row.name!r} share {name!r}, but '
                    f'only one has {differing} in per_seed; add it to both'
                )


def _chain(name: str, preparations: Mapping[str, Preparation], row: Row) -> set[str]:
    """Return a preparation and all it depends on, of those that are made per seed."""
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
                'overrides, but is made once for all seeds; add it to per_seed of the '
                'rows that need it'
            )
