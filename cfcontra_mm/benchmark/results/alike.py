"""What all rows of a table must have in common, and in what some differ."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Mapping
from typing import Any, TypeVar

from .results_file import Result

Value = TypeVar('Value', bound=Hashable)

PROTOCOL = (
    *('train_cfg', 'val_cfg', 'test_cfg'),
    *('val_dataloader.dataset', 'test_dataloader.dataset'),
    *('val_evaluator', 'test_evaluator'),
    # The source is a row's own: translated, beside labelled target images, or none.
    *('train_dataloader.dataset.target', 'train_dataloader.batch_size'),
)
"""Settings that no method may change, by their dotted keys."""


def grouped(
    found: Mapping[str, Mapping[int, Value]],
) -> dict[Value, list[str]]:
    """Group rows, and the seeds of a row that differ, by their values.

    Args:
        found: Values by row and seed.
    """
    groups: dict[Value, list[str]] = {}
    for name, by_seed in found.items():
        if len({*by_seed.values()}) == 1:
            groups.setdefault(next(iter(by_seed.values())), []).append(name)
            continue
        for seed, value in by_seed.items():
            groups.setdefault(value, []).append(f'{name} seed {seed}')
    return groups


def differences(results: Mapping[tuple[str, int], Result]) -> list[str]:
    """Return in what the results of a table differ that they must share.

    Those are the sources of the step, of the data and of the evaluation, the
    iterations, the protocol, the versions of the libraries, and sources that are
    committed.

    Args:
        results: Results by (row, seed); those that failed are ignored.

    Returns:
        One phrase for each, which names the rows; [] if a table may be made of them.
    """
    lines = {key: r.line for key, r in results.items() if r.status == 'done'}
    committed = _by_row({key: _is_committed(line) for key, line in lines.items()})
    loose = grouped(committed).get(False, [])
    found = [f'made from sources that are not committed: {", ".join(loose)}']
    aspects = {key: _aspects(line) for key, line in lines.items()}
    for name in dict.fromkeys(name for values in aspects.values() for name in values):
        noted = {key: v[name] for key, v in aspects.items() if name in v}
        groups = grouped(_by_row(noted))
        if len(groups) > 1 or None in groups:
            found.append(f'{name}: {_listed(groups)}')
    return found if loose else found[1:]


def _by_row(
    values: Mapping[tuple[str, int], Value],
) -> dict[str, dict[int, Value]]:
    found: dict[str, dict[int, Value]] = {}
    for (row, seed), value in values.items():
        found.setdefault(row, {})[seed] = value
    return found


def _is_committed(line: Mapping[str, Any]) -> bool:
    git = line.get('git') or {}
    return bool(git.get('commit')) and git.get('dirty') is False


def _aspects(line: Mapping[str, Any]) -> dict[str, str | None]:
    """Return what a result must share with all others; None if it is not noted."""
    environment = line.get('environment') or {}
    settings = line.get('resolved_config')
    protocol = {
        key: None
        if settings is None
        else json.dumps(_setting(settings, key), sort_keys=True)
        for key in PROTOCOL
    }
    found = {
        'shared sources': line.get('shared_sources'),
        'iterations': line.get('max_iters'),
        **{name: environment.get(name) for name in ('torch', 'mmseg')},
    }
    # A row that is tested with running statistics has none; the caption tells of it.
    if images := line['metrics'].get('statistics/images'):
        found['target images of the statistics'] = images
    known = {k: None if value is None else str(value) for k, value in found.items()}
    return known | protocol


def _setting(settings: Any, key: str) -> Any:
    for name in key.split('.'):
        settings = settings.get(name) if isinstance(settings, Mapping) else None
    return settings


def _listed(groups: Mapping[str | None, Iterable[str]]) -> str:
    """List the rows of each group, with a value where it is short."""
    if len(groups) == 1:
        return f'{_short(next(iter(groups)), 1)} (all rows)'
    return ', '.join(
        f'{_short(value, number)} ({", ".join(names)})'
        for number, (value, names) in enumerate(groups.items(), 1)
    )


def _short(value: str | None, number: int) -> str:
    if value is None:
        return 'not noted'
    return value if len(value) <= 20 else f'variant {number}'
