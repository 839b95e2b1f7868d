"""Configs of methods with another network or another pair of domains."""

from __future__ import annotations

import hashlib
import os.path as osp
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from mmengine.config import Config

from cfcontra_mm.errors import InputError

NEEDS = dict(
    network=('model', 'optim_wrapper', 'param_scheduler', 'iterations'),
    pair=('train_dataloader', 'train_cfg'),
)
"""Keys that the file of a network, or of a pair, must set."""

MIN_STEPS = 2
"""MMEngine's warm-up never reaches the full learning rate over fewer iterations."""


class Base(NamedTuple):
    """The config that joins a network and a pair, ``_base_/NETWORK_PAIR.py``.

    Attributes:
        path: Its file.
        network: File of the network.
        pair: File of the pair.
        others: Its other base files.
    """

    path: Path
    network: Path
    pair: Path
    others: tuple[Path, ...]


def recombine(
    path: Path | str, network: str | None, pair: str | None, import_modules: bool
) -> Config:
    """Read a config as if its base joined another network or another pair.

    A shipped base of the two is used if there is one. Otherwise it is composed of their
    files: the number of iterations is the pair's, or else the network's, and the
    network's schedulers are rescaled to it.

    Args:
        path: The config, on top of a base that joins a network and a pair.
        network: Name of one beside the config's own, or a file; ``None`` for its own.
        pair: Likewise.
        import_modules: Whether to import what the config's ``custom_imports`` names.

    Raises:
        InputError: The config has no such base, a name or file is unknown, or they do
            not fit together.
    """
    chain, own = _chain(path)
    chosen = _choose(own, network, pair)
    with TemporaryDirectory() as folder:
        base = _shipped(chosen) or _composed(chosen, Path(folder))
        copy = _copy(chain, base, Path(folder))
        try:
            config = Config.fromfile(copy, import_custom_modules=import_modules)
        except (AttributeError, KeyError) as error:
            raise InputError(_what_is_missing(path, chosen, error)) from error
    return Config(
        config.to_dict(),
        cfg_text=config.text,
        filename=str(path),
        env_variables=config.env_variables,
    )


def run_name(path: Path | str, network: str | None, pair: str | None) -> str:
    """Return the name of a config, or of its combination with other parts.

    Raises:
        InputError: See :func:`recombine`.
    """
    name = Path(path).stem
    if network is None and pair is None:
        return name
    _, own = _chain(path)
    old, new = map(_joint_name, (own, _choose(own, network, pair)))
    name = name.replace(old, new) if old in name else f'{name}_{new}'
    # Two files of a user may have one name.
    own_files = [n for n in (network, pair) if n is not None and n.endswith('.py')]
    text = '\n'.join(osp.abspath(file) for file in own_files)
    digest = hashlib.sha256(text.encode()).hexdigest()[:6]
    return f'{name}_{digest}' if own_files else name


def stretch(schedulers: Sequence[dict], factor: float) -> list[dict]:
    """Rescale schedulers to a longer or a shorter training.

    Args:
        schedulers: Configs of MMEngine's schedulers, by iterations.
        factor: New number of iterations over the old one.
    """
    stretched = []
    for scheduler in schedulers:
        ends = {key: scheduler[key] for key in ('begin', 'end') if key in scheduler}
        ends = {key: _stretched(end, factor) for key, end in ends.items()}
        if 'end' in ends:
            ends['end'] = max(ends['end'], ends.get('begin', 0) + MIN_STEPS)
        stretched.append(scheduler | ends)
    return stretched


def _stretched(end: int, factor: float) -> int:
    return max(MIN_STEPS, round(end * factor)) if end else 0


def _chain(path: Path | str) -> tuple[list[Path], Base]:
    """Return the files from a config down to the base that joins a network and a pair.

    Raises:
        InputError: There is no such base, or one of the files is not in Python.
    """
    found = _find_chain(Path(osp.abspath(path)))
    if found and {file.suffix for file in found[0]} == {'.py'}:
        return found
    raise InputError(
        f'{path}: has no base config _base_/NETWORK_PAIR.py, whose network or pair '
        'could be replaced; use the config of a method, of this version'
    )


def _find_chain(path: Path) -> tuple[list[Path], Base] | None:
    if base := _base(path):
        return [path], base
    for below in _bases(path):
        if found := _find_chain(below):
            return [path, *found[0]], found[1]
    return None


def _base(path: Path) -> Base | None:
    """Return what a config joins, ``None`` if it joins no network and pair."""
    files: dict[str, list[Path]] = {'networks': [], 'pairs': [], '': []}
    for file in _bases(path):
        kind = file.parent.name
        files[kind if kind in files else ''].append(file)
    networks, pairs, others = files.values()
    if len(networks) != 1 or len(pairs) != 1:
        return None
    return Base(path, networks[0], pairs[0], tuple(others))


def _bases(path: Path) -> list[Path]:
    """Return the base files of a config, found as MMEngine finds them."""
    names = Config._get_base_files(str(path))
    files = (Config._get_cfg_path(name, str(path))[0] for name in names)
    return [Path(osp.abspath(file)) for file in files]


def _choose(own: Base, network: str | None, pair: str | None) -> Base:
    """Return the base of another network or pair in place of a config's own."""
    chosen = own._replace(
        network=_find('network', network, own.network),
        pair=_find('pair', pair, own.pair),
    )
    if chosen == own:
        return own
    return chosen._replace(path=own.path.with_name(f'{_joint_name(chosen)}.py'))


def _joint_name(base: Base) -> str:
    return f'{base.network.stem}_{base.pair.stem}'


def _find(kind: str, name: str | None, own: Path) -> Path:
    """Return the file of a network or a pair.

    Raises:
        InputError: There is none of this name.
    """
    if name is None:
        return own
    if name.endswith('.py'):
        path = Path(osp.abspath(name))
        if not path.is_file():
            raise InputError(f'{kind} {name}: no such file')
        return path
    path = own.with_name(f'{name}.py')
    if not path.is_file():
        known = sorted(file.stem for file in own.parent.glob('*.py'))
        near = get_close_matches(name, known) or known
        raise InputError(
            f'unknown {kind} {name!r}; choose from {", ".join(near)}, or give a file '
            f'like those in {own.parent}'
        )
    return path


def _shipped(base: Base) -> Path | None:
    """Return the file of a base if there is one of the same network and pair."""
    if not base.path.is_file():
        return None
    found = _base(base.path)
    same = found and (found.network, found.pair) == (base.network, base.pair)
    return base.path if same else None


def _composed(base: Base, folder: Path) -> Path:
    """Write the base of a network and a pair; return its file."""
    network = _part('network', base.network)
    pair = _part('pair', base.pair)
    iterations = pair['train_cfg'].get('max_iters') or network['iterations']
    schedulers = network['param_scheduler']
    if isinstance(schedulers, dict):
        schedulers = [schedulers]
    files = (base.network, base.pair, *base.others)
    settings = dict(
        _base_=[str(file) for file in files],
        train_cfg=dict(max_iters=iterations),
        param_scheduler=stretch(schedulers, iterations / network['iterations']),
    )
    path = folder / base.path.name
    text = ''.join(f'{key} = {value!r}\n' for key, value in settings.items())
    path.write_text(text, encoding='utf-8')
    return path


def _part(kind: str, path: Path) -> dict:
    """Read the settings of a network or a pair.

    Raises:
        InputError: A key of ``NEEDS`` is missing.
    """
    part = Config.fromfile(path, import_custom_modules=False).to_dict()
    for key in NEEDS[kind]:
        if key not in part:
            raise InputError(f'{path}: sets no {key}, which every {kind} needs; add it')
    return part


def _copy(chain: Sequence[Path], base: Path, folder: Path) -> Path:
    """Copy the files of a chain onto another base; return the copy of the first."""
    below, copy = chain[-1], base
    for number, path in enumerate(reversed(chain[:-1])):
        files = [copy if file == below else file for file in _bases(path)]
        below, copy = path, folder / str(number) / path.name
        copy.parent.mkdir()
        # MMEngine's variables for the path of a file stand for that of the original.
        Config._substitute_predefined_vars(str(path), str(copy))
        text = copy.read_text(encoding='utf-8')
        # MMEngine reads the first such line of a file.
        line = f'_base_ = {[str(file) for file in files]}\n'
        copy.write_text(line + text, encoding='utf-8')
    return copy


def _what_is_missing(path: Path | str, base: Base, error: Exception) -> str:
    name = getattr(error, 'name', None) or str(error.args[0])
    parts = f'network {base.network.stem} and pair {base.pair.stem}'
    if name.isidentifier():
        return f'{path}: needs {name}, which {parts} do not set; choose others'
    return f'{path}: does not fit {parts} ({name})'
