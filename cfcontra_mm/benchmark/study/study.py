"""What is compared: rows of a table, each a config trained with several seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmengine.config import Config

from cfcontra_mm.config.reading import open_config, override
from cfcontra_mm.errors import InputError

from .checks import check_study
from .fields import for_seed, from_dict


@dataclass(frozen=True)
class Row:
    """One method of the table.

    Args:
        name: Heading of the row, unique in its study.
        config: Config file, relative to the working directory; None for a row that
            has published figures alone.
        overrides: Settings in place of the config's, by their dotted keys; ``{seed}``
            in them, and in those of what is in ``per_seed``, is the run's seed.
        cost: Rough time of one iteration relative to the cheapest row; decides
            which runs start first and the ETA of runs that have not started.
        needs: Names of the preparations that its runs build on.
        per_seed: Further ones, which are made once with each seed: the run of a seed
            builds on those of its seed, and so do they on each other.
        network: In place of the config's own and of the study's; see
            :func:`~cfcontra_mm.config.reading.open_config`.
        pair: Likewise.
    """

    name: str
    config: str | None = None
    overrides: dict[str, Any] = field(default_factory=dict, hash=False)
    cost: float = 1.0
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
        return read_config(
            row.config,
            self.overrides(row, seed),
            network=row.network or self.network,
            pair=row.pair or self.pair,
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


def load_study(path: Path) -> Study:
    """Read a study from the ``study`` dict of a config file.

    Raises:
        InputError: The file is missing or broken, or the study in it has a field that
            is unknown, missing or of a wrong type, or is not in itself consistent.
    """
    fields = read_config(path).get('study')
    if not isinstance(fields, Mapping):
        raise InputError(f'{path}: no `study = dict(...)` in it; add one')
    study = from_dict(Study, fields.to_dict(), f'{path}: study')
    check_study(study, path)
    return study


def read_config(
    path: Path | str, overrides: Mapping[str, Any] | None = None, **parts: str | None
) -> Config:
    """Read a config file without importing what it names.

    Args:
        path: The file.
        overrides: Settings in place of its own, by their dotted keys.
        **parts: ``network`` and ``pair``, as for ``open_config``.

    Raises:
        InputError: The file is missing or broken, or an override does not fit.
    """
    if not Path(path).is_file():
        raise InputError(
            f'{path}: no such config; give its path from the working directory'
        )
    config = open_config(path, import_modules=False, **parts)
    override(config, overrides or {}, f'{path}: overrides')
    return config
