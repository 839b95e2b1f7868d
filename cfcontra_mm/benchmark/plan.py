"""From a study to the steps that make its results."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from graphlib import TopologicalSorter
from pathlib import Path

from mmengine.config import Config

from cfcontra_mm import version
from cfcontra_mm.errors import InputError

from .preparations import PreparationStep, Training, Translation
from .steps import Run
from .study import Preparation, Row, Study, default_work_dir, read_config


def plan_runs(study: Study, seeds: tuple[int, ...], out: Path) -> list[Run]:
    """Every row with every seed, in the order of the table.

    Rows that come to the same settings share their folders, hence their trainings, and
    so do studies side by side.

    Raises:
        InputError: A config is missing or does not count iterations, or an override
            does not fit it.
    """
    prepared = _plan_preparations(study, out)
    folders: dict[str, Path] = {}
    runs = []
    for row in study.measured():
        needs = tuple(prepared[name] for name in row.needs)
        overrides = study.overrides(row)
        config = study.resolve(row)
        for seed in seeds:
            run = _plan_run(row, seed, config, needs, study.data, out)
            folder = folders.setdefault(run.identity, run.work_dir)
            runs.append(replace(run, overrides=overrides, work_dir=folder))
    return runs


def choose_runs(study: Study, runs: Sequence[Run], only: Sequence[str]) -> list[Run]:
    """The runs of these rows, all if none is named.

    Raises:
        InputError: A name is no row's.
    """
    names = [row.name for row in study.measured()]
    for name in only:
        if name not in names:
            raise InputError(
                f'--only {name}: no such row; choose from {", ".join(names)}'
            )
    return [run for run in runs if not only or run.row in only]


def distinct_runs(runs: Sequence[Run]) -> list[Run]:
    """One run of each identity, the first."""
    first: dict[str, Run] = {}
    for run in runs:
        first.setdefault(run.identity, run)
    return list(first.values())


def _plan_run(
    row: Row,
    seed: int,
    config: Config,
    needs: tuple[PreparationStep, ...],
    data: dict | None,
    out: Path,
) -> Run:
    identity = _identity(config, data, needs, seed=seed)
    return Run(
        row=row.name,
        config=row.config,
        seed=seed,
        max_iters=_max_iters(config, row.config),
        cost=row.cost,
        identity=identity,
        work_dir=_run_folder(out.parent / 'runs', row.name, seed, identity),
        settings=config.to_dict(),
        needs=needs,
    )


def _run_folder(runs: Path, row: str, seed: int, identity: str) -> Path:
    """The folder that a run of the same settings began in any study, or a new one."""
    mark = identity[:8]
    new = runs / f'{_file_name(row)}_seed{seed}_{mark}'
    return min(runs.glob(f'*_seed{seed}_{mark}'), default=new)


def _plan_preparations(study: Study, out: Path) -> dict[str, PreparationStep]:
    preparations = {p.name: p for p in study.preparations}
    order = TopologicalSorter({p.name: p.needs for p in study.preparations})
    planned: dict[str, PreparationStep] = {}
    for name in order.static_order():
        needs = [planned[need] for need in preparations[name].needs]
        planned[name] = _plan_preparation(preparations[name], needs, study.data, out)
    return planned


def _plan_preparation(
    preparation: Preparation,
    needs: Sequence[PreparationStep],
    data: dict | None,
    out: Path,
) -> PreparationStep:
    kind, path = preparation.kind, preparation.config
    config = read_config(path, preparation.overrides)
    max_iters = _max_iters(config, path)
    common = dict(
        label=preparation.name,
        config=path,
        settings=config.to_dict(),
        identity=_identity(config, data, needs, kind=kind, out=preparation.out),
        work_dir=preparation.folder,
        log=out / 'preparations' / f'{_file_name(preparation.name)}.log',
        needs=tuple(needs),
    )
    if kind == 'train':
        return Training(max_iters=max_iters, **common)
    checkpoint = default_work_dir(path) / f'iter_{max_iters}.pth'
    return Translation(max_iters=0, checkpoint=checkpoint, **common)


def _max_iters(config: Config, path: str) -> int:
    max_iters = config.get('train_cfg', {}).get('max_iters')
    if not max_iters:
        raise InputError(f'{path}: train_cfg.max_iters is not set; set the iterations')
    return max_iters


def _file_name(name: str) -> str:
    return re.sub(r'[^\w.-]+', '-', name)


def _identity(
    config: Config,
    data: dict | None,
    needs: Sequence[PreparationStep],
    **others: str | int | None,
) -> str:
    parts = {
        'config': config.to_dict(),
        'data': data,
        'version': version.__version__,
        **others,
    }
    if needs:
        parts['needs'] = sorted(need.identity for need in needs)
    # JSON and not `pretty_text`, whose layout depends on yapf's version.
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
