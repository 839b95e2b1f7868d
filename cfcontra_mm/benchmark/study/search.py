"""Rows that follow from others: trials of a search, what they choose, and controls.

A row with a ``search`` is trained with several settings on the development pair: trial
0 has the published ones, the others are drawn. A key of the search is a number of the
config, or a group of settings, such as ``model.loss_entropy``: its value is then a
factor of every ``loss_weight`` in the group, so that the losses keep their ratio.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from itertools import chain, product
from pathlib import Path
from typing import Any

from mmengine.config import Config
from scipy.stats.qmc import Sobol

from cfcontra_mm.config import open_config
from cfcontra_mm.config.checks import present_value
from cfcontra_mm.config.parts import NETWORK_PARTS
from cfcontra_mm.config.ranges import COUNT, FACTOR_OF_LR, Range, is_integer
from cfcontra_mm.config.ranges import SEED as SEEDS
from cfcontra_mm.errors import InputError
from cfcontra_mm.files import is_within

from .study import Development, Row, Study, TunedRow

WEIGHT = 'loss_weight'
DIGITS = 4
"""Significant digits of drawn settings."""

NO_DATA = ('classes', 'table')
"""Settings of data sets whose files two pairs may share."""


def searched_rows(study: Study) -> list[Row]:
    """Return the rows of a study whose settings are searched."""
    return [row for row in study.rows if row.search]


def trial_name(row: Row, number: int) -> str:
    """Return the name of a trial of a row."""
    return f'{row.name}, trial {number}'


def draw_trials(row: Row, development: Development) -> list[dict[str, float]]:
    """Draw the searched values of each trial of a row, by their keys.

    The values are points of a scrambled Sobol sequence, scaled to the logarithm of the
    ranges. Rows with as many keys have the same points, and a larger number of trials
    begins with those of a smaller one.

    Args:
        row: The row, whose ``search`` names the ranges.
        development: Number of trials and seed.

    Returns:
        No value for trial 0, which has the published settings.
    """
    number, spans = development.trials - 1, sorted(row.search.items())
    sequence = Sobol(len(spans), rng=development.seed)
    points = sequence.random_base2(number.bit_length())[:number].tolist()
    drawn = (zip(spans, point, strict=True) for point in points)
    return [
        {},
        *({key: _scaled(share, *span) for (key, span), share in one} for one in drawn),
    ]


def _scaled(share: float, low: float, high: float) -> float:
    value = _rounded(low * (high / low) ** share)
    return min(max(value, low), high)


def _rounded(value: float) -> float:
    return float(f'{value:.{DIGITS}g}')


def searched_overrides(
    config: Config, values: Mapping[str, float]
) -> dict[str, float | int]:
    """Return the overrides, by dotted keys, that give a config searched values.

    Args:
        config: The config with the published settings.
        values: Values, or factors of groups, by the keys of a search.
    """
    found: dict[str, float | int] = {}
    for key, value in values.items():
        present = present_value(config._cfg_dict, key)
        if isinstance(present, Mapping):
            weights = _weights(present, key)
            found |= {dotted: _rounded(value * weight) for dotted, weight in weights}
        else:
            found[key] = round(value) if is_integer(present) else value
    return found


def _weights(node: Any, path: str) -> Iterator[tuple[str, float]]:
    """Yield every loss weight in nested settings, with its dotted key."""
    if isinstance(node, list | tuple):
        node = dict(enumerate(node))
    if not isinstance(node, Mapping):
        return
    for key, value in node.items():
        if key == WEIGHT and _is_number(value):
            yield f'{path}.{key}', value
        yield from _weights(value, f'{path}.{key}')


def _is_number(value: Any) -> bool:
    return is_integer(value) or isinstance(value, float)


def searched_groups(study: Study, row: Row) -> set[str]:
    """Return the keys of a row's search that are groups of settings."""
    config = study.resolve(row)._cfg_dict
    return {k for k in row.search if isinstance(present_value(config, k), Mapping)}


def with_derived_rows(study: Study, path: Path) -> Study:
    """Add the rows that follow from others of a study.

    A row with ``control`` is followed by the same with every loss of the method at
    weight 0. A row with a ``search`` is followed by rows of the chosen settings, which
    are open until the trials have ended.

    Args:
        study: The study.
        path: Its file, for the error message.

    Raises:
        InputError: The search of a row does not fit its config, or a method with a
            ``control`` has no loss of its own.
    """
    check_search(study, path)
    rows: list[Row] = []
    for row in study.rows:
        rows.append(row)
        if row.control:
            rows.append(_control(study, row, path))
        if row.search:
            _check_settings(study, row, path)
            rows += _tuned_rows(study, row)
    return replace(study, rows=tuple(rows))


def _plain(row: Row) -> dict[str, Any]:
    """Return the fields of a row without what other rows follow from."""
    values = {entry.name: getattr(row, entry.name) for entry in fields(Row)}
    return values | dict(search={}, control=False)


def own_weights(model: Mapping[str, Any]) -> dict[str, float]:
    """Return the weight of every loss of a method, by dotted key.

    Args:
        model: The ``model`` of its config.
    """
    own = {key: value for key, value in model.items() if key not in NETWORK_PARTS}
    return dict(_weights(own, 'model'))


def _control(study: Study, row: Row, path: Path) -> Row:
    model = study.resolve(row).get('model') or {}
    zero = dict.fromkeys(own_weights(model), 0.0)
    if not zero:
        raise InputError(
            f'{path}: row {row.name!r}: control: {model.get("type")} has no loss of '
            f'its own with a {WEIGHT}; remove control'
        )
    changed = dict(name=f'{row.name}, weights 0', overrides={**row.overrides, **zero})
    return Row(**_plain(row) | changed)


def _tuned_rows(study: Study, row: Row) -> list[Row]:
    development = study.development
    assert development
    trials = f'({development.trials} trials)'
    tuned = dict(of=row.name, name=f'{row.name}, tuned {trials}')
    rows: list[Row] = [TunedRow(**_plain(row) | tuned)]
    if development.label_free:
        tuned['name'] = f'{row.name}, selected without labels {trials}'
        tuned['score'] = development.label_free
        rows.append(TunedRow(**_plain(row) | tuned))
    return rows


def with_trials(trials: Study, development: Development) -> Study:
    """Replace each row of a study by its trials.

    Args:
        trials: The study of the searched rows, on the development pair.
        development: Number of trials and seed.
    """
    rows = []
    for row in trials.rows:
        plain = Row(**_plain(row))
        config = trials.resolve(plain)
        for number, values in enumerate(draw_trials(row, development)):
            own = searched_overrides(config, values)
            overrides = {**row.overrides, **own}
            name = trial_name(row, number)
            rows.append(replace(plain, name=name, overrides=overrides))
    return replace(trials, rows=tuple(rows))


def check_search(study: Study, path: Path) -> None:
    """Check the development pair of a study and the ranges of its searches.

    Raises:
        InputError: A row is searched without a development pair or a config, that pair
            is the table's, or a number is out of its range.
    """
    for row in study.rows:
        if (row.search or row.control) and not row.config:
            raise InputError(
                f'{path}: row {row.name!r}: has a search or a control, but no config; '
                'add one'
            )
        if row.search and not study.development:
            raise InputError(
                f'{path}: row {row.name!r} has a search, but the study has no '
                "development; add development=dict(pair='NAME')"
            )
        for key, span in row.search.items():
            _check_span(f'{path}: row {row.name!r}: search: {key}', span)
    if study.development:
        _check_development(study.development, study.pair, path)


def _check_span(where: str, span: tuple[float, ...]) -> None:
    ordered = len(span) == 2 and span[0] < span[1]
    if not ordered or not all(map(FACTOR_OF_LR.holds, span)):
        raise InputError(
            f'{where}: must be a lowest and a higher value, both positive, not {span!r}'
        )


def _check_development(development: Development, pair: str | None, path: Path) -> None:
    numbers: dict[str, Range] = dict(trials=COUNT, seed=SEEDS)
    for name, limits in numbers.items():
        value = getattr(development, name)
        if not limits.holds(value):
            raise InputError(
                f'{path}: development.{name}: must be {limits.words}, not {value!r}'
            )
    if development.pair == pair:
        raise InputError(
            f"{path}: development.pair: {pair} is the table's own pair, on which "
            'nothing may be chosen; name another one'
        )


def _check_settings(study: Study, row: Row, path: Path) -> None:
    """Check that the config has what is searched, and may have both ends of it."""
    config = study.resolve(row)
    for key in row.search:
        present = present_value(config._cfg_dict, key)
        if not _is_number(present) and not any(_weights(present, key)):
            raise InputError(
                f'{path}: row {row.name!r}: search: {key} is neither a number in '
                f'{row.config} nor a group with a {WEIGHT}; correct the key'
            )
    for end in (0, 1):
        values = {key: span[end] for key, span in row.search.items()}
        own = searched_overrides(config, values)
        study.resolve(replace(row, overrides={**row.overrides, **own}))


def refuse_shared_data(study: Study, trials: Study, path: Path) -> None:
    """Refuse trials that read a folder of the table's data, or one in or above it.

    Args:
        study: The study of the table.
        trials: The study of the trials.
        path: The file of the study, for the error message.

    Raises:
        InputError: There is such a folder.
    """
    for theirs, own in product(_folders(trials), _folders(study)):
        if is_within(theirs, own) or is_within(own, theirs):
            raise InputError(
                f"{path}: development.pair: its data {theirs} are the table's ({own}), "
                'on which nothing may be chosen; name a pair of other folders'
            )


def _folders(study: Study) -> list[str]:
    """Return all places of the data of a study's rows and preparations."""
    loaders = ('train_dataloader', 'val_dataloader', 'test_dataloader', 'folders')
    configs = [study.resolve(row) for row in study.planned()]
    configs += [
        open_config(entry.config, entry.overrides, import_modules=False)
        for entry in study.preparations
    ]
    found = [_places(config.get(key)) for config in configs for key in loaders]
    made = [str(entry.folder()) for entry in study.preparations]
    return list(dict.fromkeys([*made, *filter(None, chain(*found))]))


def _places(node: Any) -> Iterator[str]:
    """Yield the folders of data sets, and all other paths, in nested settings."""
    if isinstance(node, str) and os.sep in node:
        yield node
    elif isinstance(node, list | tuple):
        for inner in node:
            yield from _places(inner)
    elif isinstance(node, Mapping):
        prefixes = node.get('data_prefix') or {}
        for prefix in prefixes.values():
            yield os.path.join(node.get('data_root') or '', prefix or '')
        skipped = (*NO_DATA, 'data_prefix', *(['data_root'] if prefixes else []))
        for key, inner in node.items():
            if key not in skipped:
                yield from _places(inner)
