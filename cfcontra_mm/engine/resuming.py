"""What a training may start from: the checkpoints of a work dir, and their run."""

from __future__ import annotations

import re
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from cfcontra_mm.errors import InputError
from cfcontra_mm.models.weights import read_checkpoint, weights_of

from .checkpoint_config import literal_config
from .checkpoints import check_finite, new_run_from

COMPARED = (
    *('model', 'train_dataloader', 'train_cfg', 'optim_wrapper'),
    *('param_scheduler', 'custom_hooks', 'auto_scale_lr'),
)
"""Settings that the trained weights depend on, the most telling first."""

FREE = re.compile(
    r'train_dataloader\.(?!batch_size|sampler|dataset).*|'
    r'train_cfg\.(max_iters|val_interval|val_begin|dynamic_intervals)|'
    r'optim_wrapper\.(discriminator\.)?type|'
    r'model\.test_cfg|model\..*\.(with_cp|weights|pretrained|init_cfg)'
)
"""Settings among them that may change when a training is resumed: how data are loaded,
the precision, how the network is tested, where it started from."""

HARMLESS = (
    *('EmptyCacheHook', 'EarlyStoppingHook', 'SegVisualizationHook'),
    *('ProfilerHook', 'MemoryProfilerHook', 'CheckInvalidLossHook'),
    'LossSharesHook',
)
"""Hooks that do not change the weights of an iteration."""

STATE = ('state_dict', 'optimizer', 'message_hub', 'meta')
"""What a checkpoint must hold to resume from."""

CHECKPOINT = re.compile(r'iter_(\d+)\.pth')
"""Names of checkpoints, with the iteration."""

LOG_FOLDER = re.compile(r'\d{8}_\d{6}')
"""Names of the folders in which MMEngine logs, one for each start."""


def checkpoints_in(work_dir: Path) -> list[Path]:
    """Return the checkpoints of a work dir by their names, the newest first."""
    found = [(CHECKPOINT.fullmatch(path.name), path) for path in work_dir.glob('*')]
    numbered = [(int(match[1]), path) for match, path in found if match]
    return [path for _, path in sorted(numbered, reverse=True)]


def newest_checkpoint(work_dir: Path) -> Path | None:
    """Return the newest whole checkpoint of a work dir, ``None`` if it has none.

    If a newer one is damaged or gone, a warning names both.

    Raises:
        InputError: There are checkpoints, but none is whole.
    """
    found = checkpoints_in(work_dir)
    lost = _gone(work_dir, found)
    for path in found:
        try:
            _check_whole(path)
        except InputError as error:
            lost.append(str(error).split('; ')[0])
            continue
        if lost:
            message = f'{"; ".join(lost)}; resuming from {path} instead'
            warnings.warn(message, stacklevel=2)
        return path
    if lost:
        raise InputError(
            f'{"; ".join(lost)}; no other checkpoint is there: restore one, or start '
            'again with --overwrite'
        )
    return None


def _check_whole(path: Path) -> None:
    """Make sure that a checkpoint is whole, finite and that of its name."""
    checkpoint = read_checkpoint(path)
    check_finite(weights_of(checkpoint), str(path))
    iteration = checkpoint.get('meta', {}).get('iter')
    if path.name != f'iter_{iteration}.pth':
        raise InputError(f'{path}: is of iteration {iteration}; give it its own name')


def _gone(work_dir: Path, found: list[Path]) -> list[str]:
    """Return what is wrong with the checkpoint that ``last_checkpoint`` names."""
    pointer = work_dir / 'last_checkpoint'
    # By its name: the pointer holds a path, but folders may be moved.
    text = pointer.read_text(errors='replace').strip() if pointer.is_file() else ''
    last = work_dir / Path(text).name
    if not CHECKPOINT.fullmatch(last.name) or last in found:
        return []
    return [f'{last}: no such checkpoint file']


def check_resume(path: str | Path, cfg: Config, ranks: int) -> None:
    """Make sure that a training can go on from a checkpoint as if never stopped.

    Args:
        path: The checkpoint.
        cfg: Config of the training.
        ranks: Number of its processes.

    Raises:
        InputError: The checkpoint is damaged or holds weights alone, or something that
            the weights depend on has changed; the message names it.
    """
    checkpoint = read_checkpoint(path)
    way_out = new_run_from(path)
    absent = [key for key in STATE if not isinstance(checkpoint.get(key), dict)]
    if absent or type(checkpoint['meta'].get('iter')) is not int:
        what = ', '.join(absent) or 'meta.iter'
        raise InputError(f'{path}: cannot be resumed, it holds no {what}; {way_out}')
    if found := differences(checkpoint, cfg, ranks):
        raise InputError(
            f'{path}: is of another run: {_listed(found)}; resume with the settings '
            f'that it was trained with, or {way_out}'
        )


def check_unused(cfg: Config, ranks: int, source: Path | None = None) -> None:
    """Make sure that a training overwrites no checkpoint of its work dir.

    Args:
        cfg: Config of the training.
        ranks: Number of its processes.
        source: Checkpoint that it resumes from; those beside it are its own.

    Raises:
        InputError: The work dir has checkpoints; the message says whether they are of
            this run, and if not, what differs.
    """
    work_dir = Path(cfg.work_dir)
    own = source is not None and source.resolve().parent == work_dir.resolve()
    found = [] if own else checkpoints_in(work_dir)
    if not found:
        return
    other = _difference_of(found, cfg, ranks)
    if other or source is not None:
        raise InputError(
            f'{work_dir}: has {found[0].name} of another run{other}; choose another '
            '--work-dir, or replace that run with --overwrite'
        )
    raise InputError(
        f'{work_dir}: has {found[0].name} of this run; continue it with --resume, or '
        'start again with --overwrite'
    )


def _difference_of(checkpoints: list[Path], cfg: Config, ranks: int) -> str:
    for path in checkpoints:
        try:
            found = differences(read_checkpoint(path), cfg, ranks)
        except InputError:
            continue  # damaged; the one before tells as well
        return f' ({_listed(found)})' if found else ''
    return ''


def differences(checkpoint: dict, cfg: Config, ranks: int) -> list[str]:
    """Return how the run of a checkpoint differs from another, the most telling first.

    Args:
        checkpoint: As ``read_checkpoint`` gives it.
        cfg: Config of the other run.
        ranks: Number of its processes.
    """
    meta = checkpoint.get('meta') or {}
    theirs, ours = _settings_of(meta), cfg.to_dict()
    found = [
        f'{key} is {there} there and {here} here'
        for name in COMPARED
        if theirs
        for key, there, here in _differing(name, _own(theirs, name), _own(ours, name))
    ]
    seed = cfg.get('randomness', {}).get('seed')
    if seed is not None and meta.get('seed') not in (None, seed):
        found.insert(0, f'the seed is {meta["seed"]} there and {seed} here')
    if meta.get('world_size', ranks) != ranks:
        there = meta['world_size']
        found.insert(0, f'it has {there} processes there and {ranks} here')
    there, here = (s.get('train_cfg', {}).get('max_iters') for s in (theirs, ours))
    if there and here and here < there:
        found.append(f'train_cfg.max_iters is {there} there and only {here} here')
    # The method says more than any of its settings.
    return sorted(found, key=lambda text: not text.startswith('model.type '))


def _settings_of(meta: dict) -> dict[str, Any]:
    try:
        return literal_config(str(meta.get('cfg', '')))
    except (ValueError, SyntaxError):
        return {}  # it holds more than values, which cannot be compared


def _own(settings: dict[str, Any], name: str) -> Any:
    """Return a group of settings, without hooks that do not matter."""
    value = settings.get(name)
    if name != 'custom_hooks':
        return value
    return [hook for hook in value or () if hook.get('type') not in HARMLESS]


def _differing(
    key: str, theirs: object, ours: object
) -> Iterator[tuple[str, str, str]]:
    """Give the dotted keys of values that differ, with both values."""
    if FREE.fullmatch(key):
        return
    there, here = _children(theirs), _children(ours)
    if there is None or here is None:
        if _plain(theirs) != _plain(ours):
            yield key, _short(theirs), _short(ours)
        return
    for name in dict.fromkeys([*there, *here]):
        yield from _differing(f'{key}.{name}', there.get(name), here.get(name))


def _children(value: object) -> dict | None:
    if isinstance(value, list | tuple):
        return dict(enumerate(value))
    return value if isinstance(value, dict) else None


def _plain(value: object) -> object:
    """Reduce a path to its last name, as data and checkpoints may be moved."""
    if isinstance(value, str):
        return value.rstrip('/').rsplit('/', 1)[-1]
    return value if _children(value) is None else bool(value) or None


def _short(value: object) -> str:
    children = _children(value)
    return repr(value) if children is None else f'a group of {len(children)}'


def _listed(found: list[str]) -> str:
    more = f' and {len(found) - 2} more differ' if len(found) > 2 else ''
    return f'{", ".join(found[:2])}{more}'


@HOOKS.register_module()
class OverwriteHook(Hook):
    """Deletes the run that a work dir has, once the new one is ready to start."""

    priority = 'HIGHEST'

    def before_train(self, runner: Runner) -> None:
        """Delete the checkpoints and the logs, but for the new ones."""
        clear_work_dir(Path(runner.work_dir), keep=runner.timestamp)


def clear_work_dir(work_dir: Path, keep: str = '') -> None:
    """Delete the checkpoints and logs of a run, and nothing else in its folder.

    Args:
        work_dir: The folder.
        keep: Name of a folder of logs to keep.
    """
    names = ('iter_*.pth', 'best_*.pth', 'last_checkpoint')
    found = [path for name in names for path in work_dir.glob(name)]
    logs = [p for p in work_dir.glob('*') if LOG_FOLDER.fullmatch(p.name)]
    for path in (*found, *(log for log in logs if log.name != keep)):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def refuse_folders(work_dir: Path) -> None:
    """Refuse folders with the names of files that a training writes.

    Raises:
        InputError: There is one.
    """
    for name in ('iter_*.pth', 'last_checkpoint', '.lock'):
        for path in work_dir.glob(name):
            if path.is_dir():
                raise InputError(f'{path}: is a folder, not a file; remove it')
