"""Plan the steps that make the results of a study."""

from __future__ import annotations

import functools
import hashlib
import json
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmengine.config import Config

from cfcontra_mm import version
from cfcontra_mm.benchmark.results.sources import (
    PACKAGE,
    RENDERER,
    TRAINING,
    TRANSLATION,
    SourceTree,
    shared_settings,
    strings,
)
from cfcontra_mm.benchmark.study import (
    Preparation,
    Row,
    Study,
    default_work_dir,
)
from cfcontra_mm.benchmark.study.fields import for_seed
from cfcontra_mm.benchmark.study.study import TunedRow, warn_of_other_data
from cfcontra_mm.config import open_config
from cfcontra_mm.errors import InputError
from cfcontra_mm.files import file_name

from .preparations import PreparationStep, Training, Translation
from .run import Run


def plan_runs(study: Study, seeds: tuple[int, ...], out: Path) -> list[Run]:
    """Plan a run for every row and seed, in the order of the table.

    Rows with the same config hash share their folder, hence their training, and so do
    studies whose results are in the same folder.

    Raises:
        InputError: A config is missing or sets no number of iterations, an override
            does not fit it, or the code that it names cannot be read.
    """
    planner = _Planner(study, out)
    folders: dict[str, Path] = {}
    runs = []
    for row in study.planned():
        for run in planner.runs(row, seeds):
            folder = folders.setdefault(run.identity, run.work_dir)
            runs.append(replace(run, work_dir=folder))
    _warn_of_equal_rows(study, runs)
    warn_of_other_data(study, planner.configs)
    return runs


def _warn_of_equal_rows(study: Study, runs: Sequence[Run]) -> None:
    tuned = {row.name for row in study.rows if isinstance(row, TunedRow)}
    rows: dict[str, dict[str, None]] = {}
    for run in runs:
        if run.row not in tuned:  # the published settings may be the best
            rows.setdefault(run.identity, {})[run.row] = None
    for names in dict.fromkeys(tuple(equal) for equal in rows.values()):
        if len(names) > 1:
            warnings.warn(
                f'{study.name}: rows {", ".join(map(repr, names))} have equal '
                'settings and share their trainings',
                stacklevel=3,
            )


def choose_runs(
    study: Study, runs: Sequence[Run], only: Sequence[str], rerun: Sequence[str] = ()
) -> tuple[list[Run], list[Run]]:
    """Select the runs to finish, and those among them to train again.

    Args:
        study: The study.
        runs: Its runs.
        only: Rows to finish in addition to ``rerun``; all rows if empty.
        rerun: Rows to train again.

    Raises:
        InputError: A name is not that of a row.
    """
    names = [row.name for row in study.measured()]
    for option, chosen in (('--only', only), ('--rerun', rerun)):
        for name in chosen:
            if name not in names:
                raise InputError(
                    f'{option} {name}: no such row; choose from {", ".join(names)}'
                )
    wanted = [*only, *rerun] if only else names
    return (
        [run for run in runs if run.row in wanted],
        [run for run in runs if run.row in rerun],
    )


def distinct_runs(runs: Sequence[Run]) -> list[Run]:
    """Return the first run of each config hash."""
    first: dict[str, Run] = {}
    for run in runs:
        first.setdefault(run.identity, run)
    return list(first.values())


class _Planner:
    """Plan the steps of a study, each preparation once.

    Args:
        study: The study.
        out: Folder of its results.
    """

    def __init__(self, study: Study, out: Path) -> None:
        self.study, self.out = study, out
        self.preparations = {p.name: p for p in study.preparations}
        self.planned: dict[tuple[str, int | None], PreparationStep] = {}
        self.configs: dict[str, Config] = {}
        self.tree = functools.cache(SourceTree)
        self.data_modules = RENDERER if study.data else ()

    def runs(self, row: Row, seeds: Sequence[int]) -> Iterator[Run]:
        """Yield the run of a row for each seed."""
        config = resolved = None
        for seed in seeds:
            overrides = self.study.overrides(row, seed)
            if overrides != resolved:  # most rows have the same for all seeds
                config, resolved = self.study.resolve(row, seed), overrides
                self.configs.setdefault(row.name, config)
            yield self._run(row, seed, config, overrides)

    def _run(
        self, row: Row, seed: int, config: Config, overrides: dict[str, Any]
    ) -> Run:
        path = row.config or ''
        needs = self._needs(row.needs, (), seed)
        needs += self._needs(row.per_seed, row.per_seed, seed)
        self._check_reads(row, config)
        settings = config.to_dict()
        sources = self._sources(config, settings, TRAINING)
        shared = self._sources(config, shared_settings(settings), TRAINING)
        identity = self._identity(config, sources, needs, seed=seed)
        return Run(
            row=row.name,
            config=path,
            seed=seed,
            max_iters=_max_iters(config, path),
            identity=identity,
            work_dir=_run_folder(self.out.parent / 'runs', row.name, seed, identity),
            settings=settings,
            overrides=overrides,
            needs=needs,
            sources=sources,
            shared_sources=_digest(sorted(set(shared.values()))),
        )

    def _check_reads(self, row: Row, config: Config) -> None:
        """Refuse a row that reads the folder without a seed of a step made per seed."""
        for name in row.per_seed:
            shared = str(self.preparations[name].folder())
            # But not if a seed or the rest of a longer name follows.
            alone = re.compile(re.escape(shared) + r'(?![\w.-])')
            if any(map(alone.search, strings(config.to_dict()))):
                raise InputError(
                    f'row {row.name!r}: reads {shared}, but {name!r} is made per seed; '
                    f'override that setting with {shared}_seed{{seed}}'
                )

    def _needs(
        self, names: Sequence[str], per_seed: Sequence[str], seed: int | None
    ) -> tuple[PreparationStep, ...]:
        """Return the steps of preparations; those in ``per_seed`` with the seed."""
        return tuple(
            self._needed(name, per_seed, seed)
            if name in per_seed
            else self._needed(name, (), None)
            for name in names
        )

    def _needed(
        self, name: str, per_seed: Sequence[str], seed: int | None
    ) -> PreparationStep:
        if (name, seed) not in self.planned:
            preparation = self.preparations[name]
            needs = self._needs(preparation.needs, per_seed, seed)
            self.planned[name, seed] = self._preparation(preparation, seed, needs)
        return self.planned[name, seed]

    def _preparation(
        self,
        preparation: Preparation,
        seed: int | None,
        needs: tuple[PreparationStep, ...],
    ) -> PreparationStep:
        kind, path = preparation.kind, preparation.config
        config = open_config(
            path,
            for_seed(preparation.overrides, seed),
            import_modules=False,
            origin=f'{path}: overrides of preparation {preparation.name!r}',
        )
        folder = preparation.folder(seed)
        made = dict(kind=kind, out=str(folder) if preparation.out else None, seed=seed)
        settings = config.to_dict()
        modules = TRAINING if kind == 'train' else TRANSLATION
        sources = self._sources(config, settings, modules)
        common = dict(
            name=preparation.name,
            config=path,
            seed=seed,
            settings=settings,
            identity=self._identity(config, sources, needs, **made),
            work_dir=folder,
            logs=self.out / 'preparations',
            needs=needs,
            sources=sources,
        )
        if kind == 'train':
            return Training(max_iters=_max_iters(config, path), **common)
        checkpoint = _translator(config, path, needs)
        return Translation(checkpoint=checkpoint, **common)

    def _sources(
        self, config: Config, settings: Mapping[str, Any], modules: Sequence[str]
    ) -> dict[str, str]:
        """Return the digests of the files that some settings of a config depend on."""
        imports = (config.get('custom_imports') or {}).get('imports') or ()
        imports = (imports,) if isinstance(imports, str) else tuple(imports)
        # Importing an external module may do more than register something.
        outside = [name for name in imports if name.split('.')[0] != PACKAGE]
        modules = (*modules, *outside, *self.data_modules)
        return self.tree(imports).digests(settings, modules)

    def _identity(
        self,
        config: Config,
        sources: Mapping[str, str],
        needs: Sequence[PreparationStep],
        **others: str | int | None,
    ) -> str:
        parts = {
            'config': config.to_dict(),
            'data': self.study.data,
            'version': version.__version__,
            # Without the paths: the location of the code makes no difference.
            'sources': sorted(set(sources.values())),
            'needs': sorted(need.identity for need in needs),
            **others,
        }
        if classes := _class_file(config):
            parts['classes'] = classes
        return _digest(parts)


def _digest(parts: Any) -> str:
    # JSON and not `pretty_text`, whose layout depends on yapf's version.
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _run_folder(runs: Path, row: str, seed: int, identity: str) -> Path:
    """Return the folder of a run with this config hash in any study, or a new one."""
    mark = identity[:8]
    new = runs / f'{file_name(row)}_seed{seed}_{mark}'
    return min(runs.glob(f'*_seed{seed}_{mark}'), default=new)


def _translator(config: Config, path: str, needs: Sequence[PreparationStep]) -> Path:
    """Return the translator's checkpoint, from a preparation or its default folder."""
    default = default_work_dir(path) / f'iter_{_max_iters(config, path)}.pth'
    trained = (n for n in needs if isinstance(n, Training) and n.config == path)
    return next((need.final_checkpoint for need in trained), default)


def _class_file(config: Config) -> str | None:
    """Return the text of the class file of a user's own pair."""
    path = Path((config.get('folders') or {}).get('classes') or '')
    return path.read_text(encoding='utf-8') if path.is_file() else None


def _max_iters(config: Config, path: str) -> int:
    max_iters = config.get('train_cfg', {}).get('max_iters')
    if not max_iters:
        raise InputError(f'{path}: train_cfg.max_iters is not set; set it')
    return max_iters
