"""What all rows of a table must have in common, and in what some differ."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Mapping
from typing import Any, TypeVar

from cfcontra_mm.config.checks import present_value
from cfcontra_mm.config.parts import NETWORK_PARTS

from .results_file import Result

Value = TypeVar('Value', bound=Hashable)

PROTOCOL = (
    *('train_cfg', 'val_cfg', 'test_cfg'),
    *('val_dataloader.dataset', 'test_dataloader.dataset'),
    *('val_evaluator', 'test_evaluator'),
    # The source is a row's own: translated, beside labelled target images, or none.
    *('train_dataloader.dataset.target', 'train_dataloader.sampler.per_domain.target'),
    *('param_scheduler', 'default_hooks.statistics.num_images'),
)
"""Settings that no method may change, by their dotted keys."""

LIBRARIES = ('torch', 'mmengine', 'mmseg')
DISCRIMINATORS = ('constructor', 'discriminator')
"""Settings of the optimiser that belong to a method with discriminators."""


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
    iterations, the protocol, the network, the optimiser, the images of a step, the
    versions of the libraries, the kind of device, and sources that are committed. The
    seeds of a row also share the statistics of batch normalisation in their tests.

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
    for key, images in _source_images(lines).items():
        aspects[key]['source images of a step'] = images
    for name in dict.fromkeys(name for values in aspects.values() for name in values):
        noted = {key: v[name] for key, v in aspects.items() if name in v}
        groups = grouped(_by_row(noted))
        if len(groups) > 1 or None in groups:
            found.append(f'{name}: {_listed(groups)}')
    if mixed := _of_two_treatments(lines):
        found.append(f'seeds of a row were tested under both statistics: {mixed}')
    return found if loose else found[1:]


def _of_two_treatments(lines: Mapping[tuple[str, int], Mapping[str, Any]]) -> str:
    of_target = {
        key: bool(line['metrics'].get('statistics/images'))
        for key, line in lines.items()
    }
    rows = _by_row(of_target).items()
    return ', '.join(row for row, seeds in rows if len({*seeds.values()}) > 1)


def _source_images(
    lines: Mapping[tuple[str, int], Mapping[str, Any]],
) -> dict[tuple[str, int], str | None]:
    """Return how many images of the source are in a step of each result.

    Labelled target images may stand beside them, or in place of some of them.
    """
    possible = {key: _numbers_of_source(line) for key, line in lines.items()}
    usual = {numbers[0] for numbers in possible.values() if len(numbers) == 1}
    return {
        key: next((number for number in numbers if number in usual), numbers[0])
        for key, numbers in possible.items()
    }


def _numbers_of_source(line: Mapping[str, Any]) -> list[str | None]:
    """Return the number of source images; that with labelled target images too."""
    settings = line.get('resolved_config')
    if settings is None:
        return [None]
    source = present_value(settings, 'train_dataloader.dataset.source')
    target = present_value(settings, 'train_dataloader.dataset.target')
    number = present_value(settings, 'train_dataloader.sampler.per_domain.source')
    if (
        isinstance(number, list)
        and len(number) == 2
        and _place(source[1]) == _place(target)
    ):
        return [str(number[0]), str(sum(number))]
    return [str(number)]


def _place(dataset: Mapping[str, Any]) -> tuple[Any, Any]:
    return dataset.get('data_root'), present_value(dataset, 'data_prefix.img_path')


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
        else json.dumps(present_value(settings, key), sort_keys=True)
        for key in PROTOCOL
    }
    found = {
        'shared sources': line.get('shared_sources'),
        'iterations': line.get('max_iters'),
        **{name: environment.get(name) for name in LIBRARIES},
        'device': _device_kind(environment),
    }
    # A row that is tested with running statistics has none; the caption tells of it.
    if images := line['metrics'].get('statistics/images'):
        found['target images of the statistics'] = images
    known = {k: None if value is None else str(value) for k, value in found.items()}
    return known | protocol | _parts(settings)


def _device_kind(environment: Mapping[str, str]) -> str | None:
    device = environment.get('device')
    return device and ('CPU' if device == environment.get('cpu') else 'GPU')


def _parts(settings: Mapping[str, Any] | None) -> dict[str, str | None]:
    """Return the parts of the network and the optimiser that all methods share."""
    if settings is None:
        return {'network': None, 'optimiser': None}
    model, optimiser = settings.get('model') or {}, settings.get('optim_wrapper') or {}
    # A method may do without the auxiliary head, which no test uses.
    network = {k: model.get(k) for k in NETWORK_PARTS if k != 'auxiliary_head'}
    shared = {k: v for k, v in optimiser.items() if k not in DISCRIMINATORS}
    parts = {'network': network, 'optimiser': shared}
    if head := model.get('auxiliary_head'):
        parts['auxiliary head'] = head
    return {name: json.dumps(part, sort_keys=True) for name, part in parts.items()}


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
