"""Check a line of ``results.jsonl``, which may come from anywhere."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cfcontra_mm.config.ranges import is_integer

Check = Callable[[Any], bool]
OTHER_STATISTICS = ('running_statistics/', 'target_statistics/')


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _count(value: Any) -> bool:
    return is_integer(value) and value >= 0


def _number(value: Any) -> bool:
    """Accept NaN too, which is null in JSON."""
    if value is None:
        return True
    if is_integer(value):
        return abs(value) < 2**63  # or it may be too large for a float
    return isinstance(value, float) and not math.isinf(value)


def _amount(value: Any) -> bool:
    return _number(value) and not (value is not None and value < 0)


def _mapping(value: Any) -> bool:
    return isinstance(value, Mapping)


def _numbers(value: Any) -> bool:
    return _mapping(value) and all(map(_number, value.values()))


def _percent(value: Any) -> bool:
    return _number(value) and (value is None or not (value < 0 or value > 100))


def _measured(value: Any) -> bool:
    """Accept metrics: numbers, of which every IoU is a percentage."""
    return _numbers(value) and all(_percent(v) for k, v in value.items() if _is_iou(k))


def _is_iou(key: str) -> bool:
    for prefix in OTHER_STATISTICS:
        key = key.removeprefix(prefix)
    return key == 'mIoU' or key.startswith('IoU.')


def _shares(value: Any) -> bool:
    return _numbers(value) and all(
        share is not None and _percent(share) for share in value.values()
    )


def _validations(value: Any) -> bool:
    return _mapping(value) and all(
        iteration.isdecimal() and _measured(metrics)
        for iteration, metrics in value.items()
    )


def _paths(value: Any) -> bool:
    return isinstance(value, list) and all(map(_text, value))


FIELDS: dict[str, tuple[Check, str]] = {
    'row': (_text, 'a name'),
    'seed': (is_integer, 'a whole number'),
    'identity': (_text, 'a config hash'),
    'config': (_text, 'a path'),
    'error': (_text, 'a message'),
    'version': (_text, 'a version'),
    'metrics': (_measured, 'numbers by name, IoU from 0 to 100'),
    'final': (_numbers, 'numbers by name'),
    'validations': (_validations, 'metrics by iteration, IoU from 0 to 100'),
    'loss_shares': (_shares, 'percentages by term'),
    'shared_sources': (_text, 'a digest'),
    'per_image': (_text, 'a path'),
    'per_image_other': (_text, 'a path'),
    'work_dir': (_text, 'a path'),
    'files': (_paths, 'paths'),
    'max_iters': (_count, 'a number of iterations'),
    'resumed_from': (_count, 'a number of iterations'),
    'wall_seconds': (_amount, 'a number, 0 or more'),
    'iterations_per_second': (_amount, 'a number, 0 or more'),
    'peak_memory_mib': (_amount, 'a number, 0 or more'),
    'environment': (_mapping, 'texts by name'),
    'git': (_mapping, 'a commit'),
    'overrides': (_mapping, 'settings by name'),
    'resolved_config': (_mapping, 'settings by name'),
}
"""What each field holds; other fields are not read."""

NEEDED = {
    'failed': ('row', 'seed', 'error'),
    'done': ('row', 'seed', 'version', 'metrics', 'final', 'validations'),
}
"""Fields that a line of each status must have."""


def check_line(line: Any, out: Path) -> None:
    """Check a line of ``out/results.jsonl``.

    Args:
        line: The line, decoded.
        out: Folder of the study, in or beside which the paths of the line must be.

    Raises:
        ValueError: The line is no result; the message names the field.
    """
    if not isinstance(line, dict):
        raise ValueError('not a result')
    needed = NEEDED.get(str(line.get('status')))
    if needed is None:
        raise ValueError("status is neither 'done' nor 'failed'")
    for name in needed:
        if line.get(name) is None:
            raise ValueError(f'{name} is missing')
    for name, (check, meaning) in FIELDS.items():
        if line.get(name) is not None and not check(line[name]):
            raise ValueError(f'{name} is not {meaning}')
    if 'mIoU' not in line.get('metrics', {'mIoU'}):
        raise ValueError('metrics has no mIoU')
    _check_paths(line, out)


def _check_paths(line: Mapping[str, Any], out: Path) -> None:
    """Confine the paths to the folder of the study and those of the runs beside it."""
    folders = {name: [out] for name in ('per_image', 'per_image_other')}
    folders |= {name: [out, out.parent / 'runs'] for name in ('work_dir', 'files')}
    for name, allowed in folders.items():
        found = line.get(name) or ()
        for path in [found] if isinstance(found, str) else found:
            if not any(_is_inside(out / path, folder) for folder in allowed):
                places = ' or '.join(map(str, allowed))
                raise ValueError(f'{name} {path!r} is outside of {places}')


def _is_inside(path: Path, folder: Path) -> bool:
    """Tell whether a path leads below a folder, by its text alone."""
    return Path(os.path.abspath(path)).is_relative_to(os.path.abspath(folder))
