"""The config of a method over another network or another pair of domains."""

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
"""What a file of a network and of a pair must set."""

MIN_STEPS = 2
"""MMEngine's warm-up over fewer iterations never gets to the full rate."""


class Base(NamedTuple):
    """The config that joins a network and a pair, ``_base_/NETWORK_PAIR.py``.

    Attributes:
        path: Its file.
        network: File of the network.
        pair: File of the pair.
        others: The other files that it stands on.
    """

    path: Path
    network: Path
    pair: Path
    others: tuple[Path, ...]


def recombine(
    path: Path | str, network: str | None, pair: str | None, import_modules: bool
) -> Config:
    """Read a config as if it stood on the base of another network or pair.

    That base is the shipped one of the two where there is one. Otherwise it is made of
    their files: the pair says for how many iterations it is trained, or else the
    network does, whose schedulers are compressed to as many.

    Args:
        path: The config, on top of a base that joins a network and a pair.
        network: Name of one beside the config's own, or a file; ``None`` for its own.
        pair: Likewise.
        import_modules: Whether to import what its ``custom_imports`` names.

    Raises:
        InputError: The config stands on no such base, a name or file is unknown, or
            they do not fit together.
    """
    chain = _chain(path)
    own = _base(chain[-1])
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
    """A name that tells a config from itself over another network or pair.

    Raises:
        InputError: See :func:`recombine`.
    """
    name = Path(path).stem
    if network is None and pair is None:
        return name
    own = _base(_chain(path)[-1])
    old, new = map(_joint_name, (own, _choose(own, network, pair)))
    name = name.replace(old, new) if old in name else f'{name}_{new}'
    # A file of one's own may have the name of another.
    own_files = [n for n in (network, pair) if n is not None and n.endswith('.py')]
    text = '\n'.join(osp.abspath(file) for file in own_files)
    digest = hashlib.sha256(text.encode()).hexdigest()[:6]
    return f'{name}_{digest}' if own_files else name


def stretch(schedulers: Sequence[dict], factor: float) -> list[dict]:
    """Schedulers for a training that is so many times as long.

    Args:
        schedulers: Of MMEngine's config format, by iterations.
        factor: New length over old.
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


def _chain(path: Path | str) -> list[Path]:
    """The files from a config down to the base that joins a network and a pair."""
    chain = _find_chain(Path(osp.abspath(path)))
    if chain and {file.suffix for file in chain} == {'.py'}:
        return chain
    raise InputError(
        f'{path}: stands on no _base_/NETWORK_PAIR.py, so that it has neither network '
        'nor pair to replace; name the config of a method, of this version'
    )


def _find_chain(path: Path) -> list[Path]:
    if _base(path):
        return [path]
    for below in _bases(path):
        if found := _find_chain(below):
            return [path, *found]
    return []


def _base(path: Path) -> Base | None:
    """What a config joins, if it does."""
    files = {'networks': [], 'pairs': [], '': []}
    for file in _bases(path):
        kind = file.parent.name
        files[kind if kind in files else ''].append(file)
    networks, pairs, others = files.values()
    if len(networks) != 1 or len(pairs) != 1:
        return None
    return Base(path, networks[0], pairs[0], tuple(others))


def _bases(path: Path) -> list[Path]:
    """The files that a config stands on, found as MMEngine finds them."""
    names = Config._get_base_files(str(path))
    files = (Config._get_cfg_path(name, str(path))[0] for name in names)
    return [Path(osp.abspath(file)) for file in files]


def _choose(own: Base, network: str | None, pair: str | None) -> Base:
    """The base of this network and this pair, in place of a config's own."""
    network = _find('network', network, own.network)
    pair = _find('pair', pair, own.pair)
    if (network, pair) == (own.network, own.pair):
        return own
    chosen = own._replace(network=network, pair=pair)
    return chosen._replace(path=own.path.with_name(f'{_joint_name(chosen)}.py'))


def _joint_name(base: Base) -> str:
    return f'{base.network.stem}_{base.pair.stem}'


def _find(kind: str, name: str | None, own: Path) -> Path:
    """The file of a network or a pair."""
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
            f'{kind} {name!r} is not known; choose from {", ".join(near)}, or name a '
            f'file like those of {own.parent}'
        )
    return path


def _shipped(base: Base) -> Path | None:
    """The file of a base, if there is one that joins the same two."""
    if not base.path.is_file():
        return None
    found = _base(base.path)
    same = found and (found.network, found.pair) == (base.network, base.pair)
    return base.path if same else None


def _composed(base: Base, folder: Path) -> Path:
    """Write the base of a network and a pair."""
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
    """The settings of the file of a network or a pair."""
    part = Config.fromfile(path, import_custom_modules=False).to_dict()
    for key in NEEDS[kind]:
        if key not in part:
            raise InputError(f'{path}: sets no {key}, which every {kind} has; add it')
    return part


def _copy(chain: Sequence[Path], base: Path, folder: Path) -> Path:
    """Copy the files of a chain, on top of another base."""
    below, copy = chain[-1], base
    for number, path in enumerate(reversed(chain[:-1])):
        files = [copy if file == below else file for file in _bases(path)]
        below, copy = path, folder / str(number) / path.name
        copy.parent.mkdir()
        # With the variables of MMEngine that stand for the file's own path.
        Config._substitute_predefined_vars(str(path), str(copy))
        text = copy.read_text(encoding='utf-8')
        # Of several lines MMEngine reads the first.
        line = f'_base_ = {[str(file) for file in files]}\n'
        copy.write_text(line + text, encoding='utf-8')
    return copy


def _what_is_missing(path: Path | str, base: Base, error: Exception) -> str:
    name = getattr(error, 'name', None) or str(error.args[0])
    parts = f'network {base.network.stem} and pair {base.pair.stem}'
    if name.isidentifier():
        return f'{path}: needs {name}, which {parts} do not set; choose others'
    return f'{path}: does not fit {parts} ({name})'
