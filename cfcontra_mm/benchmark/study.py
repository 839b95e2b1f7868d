"""What is compared: rows of a table, each a config trained with several seeds."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config

from cfcontra_mm import version
from cfcontra_mm.errors import InputError


@dataclass(frozen=True)
class Row:
    """One method of the table.

    Args:
        name: Heading of the row, unique in its study.
        config: Config file, relative to the working directory.
        cost: Rough time of one iteration relative to the cheapest row; decides
            which runs start first and the ETA of runs that have not started.
    """

    name: str
    config: str
    cost: float = 1.0


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
    """

    name: str
    rows: tuple[Row, ...]
    baseline: str
    oracle: str
    seeds: tuple[int, ...]
    data: dict

    def row_names(self) -> list[str]:
        return [row.name for row in self.rows]


@dataclass(frozen=True)
class Run:
    """One row with one seed.

    Args:
        row: Name of the row.
        config: Config file.
        seed: Seed of the training.
        max_iters: Iterations that the config asks for.
        cost: See :class:`Row`.
        identity: sha256 of all that the result depends on.
        work_dir: Folder of the run. Its name holds the identity, so a changed
            config starts in a new folder and never resumes from another's weights.
    """

    row: str
    config: str
    seed: int
    max_iters: int
    cost: float
    identity: str
    work_dir: Path

    @property
    def label(self) -> str:
        return f'{self.row} seed {self.seed}'

    @property
    def key(self) -> tuple[str, int]:
        return self.row, self.seed

    @property
    def final_checkpoint(self) -> Path:
        return self.work_dir / f'iter_{self.max_iters}.pth'

    @property
    def predictions(self) -> Path:
        return self.work_dir / 'predictions'

    @property
    def log(self) -> Path:
        return self.work_dir / 'log.txt'

    def last_checkpoint(self) -> Path | None:
        """The newest whole checkpoint, or None before the first."""
        pointer = self.work_dir / 'last_checkpoint'
        if not pointer.exists():
            return None
        # By name: the pointer holds an absolute path, and folders get moved.
        checkpoint = self.work_dir / Path(pointer.read_text().strip()).name
        return checkpoint if checkpoint.exists() else None


def load_study(path: Path) -> Study:
    """Read a study from the ``study`` dict of a config file.

    Raises:
        InputError: The file is missing, has an unknown or missing field, two rows
            of one name, or a baseline or oracle that is no row.
    """
    fields = _read_config(path).get('study')
    if fields is None:
        raise InputError(f'{path}: no `study = dict(...)` in it; add one')
    fields = fields.to_dict()
    try:
        rows = tuple(Row(**row) for row in fields.pop('rows'))
        seeds = tuple(fields.pop('seeds'))
        study = Study(rows=rows, seeds=seeds, **fields)
    except (KeyError, TypeError) as error:
        raise InputError(f'{path}: study has a wrong field: {error}') from error
    _check(study, path)
    return study


def plan_runs(study: Study, seeds: tuple[int, ...], out: Path) -> list[Run]:
    """Every row with every seed, in the order of the table.

    Raises:
        InputError: A row's config is missing or does not count iterations.
    """
    return [
        _plan_run(row, _read_config(row.config), seed, study.data, out)
        for row in study.rows
        for seed in seeds
    ]


def _plan_run(row: Row, config: Config, seed: int, data: dict, out: Path) -> Run:
    max_iters = config.get('train_cfg', {}).get('max_iters')
    if not max_iters:
        raise InputError(
            f'{row.config}: train_cfg.max_iters is not set; set the iterations'
        )
    identity = _identity(config, seed, data)
    folder = re.sub(r'[^\w.-]+', '-', row.name)
    return Run(
        row=row.name,
        config=row.config,
        seed=seed,
        max_iters=max_iters,
        cost=row.cost,
        identity=identity,
        work_dir=out / 'runs' / f'{folder}_seed{seed}_{identity[:8]}',
    )


def _identity(config: Config, seed: int, data: dict) -> str:
    parts = {
        'config': config.to_dict(),
        'seed': seed,
        'data': data,
        'version': version.__version__,
    }
    # JSON and not `pretty_text`, whose layout depends on yapf's version.
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _read_config(path: Path | str) -> Config:
    if not Path(path).is_file():
        raise InputError(
            f'{path}: no such config; give its path from the working directory'
        )
    return Config.fromfile(path, import_custom_modules=False)


def _check(study: Study, path: Path) -> None:
    names = study.row_names()
    for name in names:
        if names.count(name) > 1:
            raise InputError(f'{path}: two rows are named {name!r}; rename one')
    for field in ('baseline', 'oracle'):
        if getattr(study, field) not in names:
            raise InputError(
                f'{path}: {field} {getattr(study, field)!r} is no row; '
                f'choose from {", ".join(names)}'
            )
    if not study.seeds:
        raise InputError(f'{path}: seeds is empty; name at least one')
