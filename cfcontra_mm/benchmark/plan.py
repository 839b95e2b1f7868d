"""From a study to the steps that make its results."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
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

    Raises:
        InputError: A config is missing or does not count iterations.
    """
    prepared = _plan_preparations(study, out)
    return [
        _plan_run(row, seed, [prepared[name] for name in row.needs], study.data, out)
        for row in study.rows
        for seed in seeds
    ]


def _plan_run(
    row: Row, seed: int, needs: Sequence[PreparationStep], data: dict, out: Path
) -> Run:
    config = read_config(row.config)
    identity = _identity(config, data, needs, seed=seed)
    return Run(
        row=row.name,
        config=row.config,
        seed=seed,
        max_iters=_max_iters(config, row.config),
        cost=row.cost,
        identity=identity,
        work_dir=out / 'runs' / f'{_file_name(row.name)}_seed{seed}_{identity[:8]}',
        needs=tuple(needs),
    )


def _plan_preparations(study: Study, out: Path) -> dict[str, PreparationStep]:
    preparations = {p.name: p for p in study.preparations}
    order = TopologicalSorter({p.name: p.needs for p in study.preparations})
    planned: dict[str, PreparationStep] = {}
    for name in order.static_order():
        needs = [planned[need] for need in preparations[name].needs]
        planned[name] = _plan_preparation(preparations[name], needs, study.data, out)
    return planned


def _plan_preparation(
    preparation: Preparation, needs: Sequence[PreparationStep], data: dict, out: Path
) -> PreparationStep:
    kind, path = preparation.kind, preparation.config
    config = read_config(path)
    max_iters = _max_iters(config, path)
    common = dict(
        label=preparation.name,
        config=path,
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
    data: dict,
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
