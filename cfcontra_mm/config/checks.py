"""Refuse what a config sets in vain or out of range, before anything is built."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from importlib.util import find_spec
from typing import Any, NamedTuple

from mmengine.config import Config
from mmengine.config.utils import MODULE2PACKAGE
from mmengine.registry import Registry
from mmseg.registry import DATASETS

from cfcontra_mm.errors import InputError

from .arguments import ANYTHING
from .parts import ALWAYS, TOP, Part, find_type, is_at, parts_of
from .ranges import range_of

NEAR = 0.85
"""Similarity of a key that its reader may know to one that it knows, to be refused."""

NEEDS_TYPE = (
    *('default_hooks/*', 'custom_hooks/*', 'param_scheduler/*', '*/vis_backends/*'),
    *('*_dataloader/sampler', '*_dataloader/dataset', '*/pipeline/*'),
    *('optim_wrapper/optimizer', 'optim_wrapper/*/optimizer'),
)
"""Places whose parts must name their ``type``."""

PACKAGES = {
    'TensorboardVisBackend': ('tensorboard', 'tensorboardX'),
    'WandbVisBackend': ('wandb',),
    'MLflowVisBackend': ('mlflow',),
    'ClearMLVisBackend': ('clearml',),
    'NeptuneVisBackend': ('neptune',),
    'DVCLiveVisBackend': ('dvclive',),
    'AimVisBackend': ('aim',),
}
"""Packages of which a type needs one; the first is recommended."""

SCOPES = {
    **{scope: name for scope, name in MODULE2PACKAGE.items() if scope != 'mmseg'},
    'mmdet': 'onedl-mmdetection',
    'mmpretrain': 'onedl-mmpretrain',
    'mmrotate': 'onedl-mmrotate',
}
"""Distributions by the scope of their types, where not of the installed family."""

TOGETHER = tuple(
    (f'{step}_dataloader', f'{step}_cfg', rest)
    for step, rest in (
        ('train', 'optim_wrapper'),
        ('val', 'val_evaluator'),
        ('test', 'test_evaluator'),
    )
)
"""Settings that are all ``None``, or none of them."""

Keys = tuple[str, ...]


class Source(NamedTuple):
    """Where the settings of a config come from, for the messages.

    Attributes:
        file: The config file.
        origin: Where the overrides come from.
        overrides: Keys of the overrides.
    """

    file: str
    origin: str
    overrides: Collection[str]

    def of(self, dotted: str) -> str:
        """Return where a setting comes from."""
        own, keys = f'{dotted}.', [f'{key}.' for key in self.overrides]
        given = any(own.startswith(key) or key.startswith(own) for key in keys)
        return f'{self.origin if given else self.file}: {dotted}'


def new_keys(config: Mapping[str, Any], overrides: Mapping[str, Any]) -> list[Keys]:
    """Return the keys of overrides that a config does not have yet.

    Args:
        config: The config without the overrides.
        overrides: Values by dotted key.

    Returns:
        The keys that lead to each place where something is new.
    """
    found = (_first_new(config, key.split('.'), v) for key, v in overrides.items())
    return [path for paths in found for path in paths]


def _first_new(node: Any, keys: Sequence[str], value: Any) -> Iterator[Keys]:
    for depth, key in enumerate(keys):
        if isinstance(node, list | tuple):
            if not key.isdigit() or int(key) >= len(node):
                return  # the merging refuses it
            node = node[int(key)]
        elif not isinstance(node, Mapping):
            return
        elif key not in node:
            yield tuple(keys[: depth + 1])
            return
        else:
            node = node[key]
    if isinstance(value, Mapping) and isinstance(node, Mapping):
        for key, inner in value.items():
            for path in _first_new(node, [key], inner):
                yield (*keys, *path)


def check_groups(
    config: Mapping[str, Any], overrides: Mapping[str, Any], source: Source
) -> None:
    """Refuse a plain value for a group of settings, and a key below a plain value.

    Raises:
        InputError: An override is neither a dict nor ``None``, but replaces a dict, or
            its key leads below a value or beyond the end of a list.
    """
    for dotted, value in overrides.items():
        _check_way(config, dotted, source)
        present = present_value(config, dotted)
        if isinstance(present, Mapping) and not isinstance(value, Mapping | None):
            example = next(iter(present), 'KEY')
            raise InputError(
                f'{source.of(dotted)}: is a group of settings, not {value!r}; set one '
                f'of them, such as {dotted}.{example}'
            )


def _check_way(node: Any, dotted: str, source: Source) -> None:
    keys = dotted.split('.')
    for depth, key in enumerate(keys):
        above = '.'.join(keys[:depth])
        if isinstance(node, list | tuple):
            if not key.isdigit() or int(key) >= len(node):
                raise InputError(
                    f'{source.of(dotted)}: {above} is a list of {len(node)}; give an '
                    f'index below it, not {key!r}'
                )
        elif node is None and depth == 1 and above in TOP and key.isdigit():
            raise InputError(
                f'{source.of(dotted)}: the config has no list {above}; write one in a '
                'config file of your own'
            )
        elif not isinstance(node, Mapping | None):
            raise InputError(
                f'{source.of(dotted)}: {above} is {node!r}, no group of settings; set '
                'it as a whole'
            )
        node = present_value(node, key)


def present_value(config: Any, dotted: str) -> Any:
    """Return the value of a dotted key, ``None`` if there is none."""
    for key in dotted.split('.'):
        if isinstance(config, list | tuple):
            inside = key.isdigit() and int(key) < len(config)
            config = config[int(key)] if inside else None
        else:
            config = config.get(key) if isinstance(config, Mapping) else None
    return config


def check_config(
    config: Config, added: Sequence[Keys], source: Source, all_imported: bool
) -> None:
    """Refuse keys that nothing reads, unknown types and values out of their range.

    Where it is not known what reads a part of the config, any key is accepted.

    Args:
        config: The config with its overrides.
        added: Keys that only the overrides have, see :func:`new_keys`.
        source: Where the settings come from.
        all_imported: Whether all modules are imported that may register types.

    Raises:
        InputError: There is such a setting.
    """
    _check_top(config, added, source)
    for part in parts_of(config):
        _check_type(part, added, source, all_imported)
        _check_keys(part, added, source)
        _check_ranges(part, source)
        _check_order(part, source)
    _check_ranges(Part((), config._cfg_dict, None, ANYTHING, None), source)
    _check_together(config, source)
    _check_sliding(config._cfg_dict, source)
    _check_classes(config, source)


def check_values(config: Mapping[str, Any], source: Source) -> None:
    """Refuse values out of their range, wherever the config comes from.

    Args:
        config: The config, or some of its top-level settings.
        source: Where the settings come from.

    Raises:
        InputError: There is such a value.
    """
    for part in (*parts_of(config), Part((), config, None, ANYTHING, None)):
        _check_ranges(part, source)
    _check_sliding(config, source)


def _check_top(config: Config, added: Sequence[Keys], source: Source) -> None:
    new = {path[0] for path in added if len(path) == 1}
    names = [key for key in config if key not in new]
    for key in config:
        if key == 'folders' and key in new:
            raise InputError(
                f'{source.of(key)}: the data sets of this config are no folders; use '
                'the pair folders'
            )
        if key in TOP:
            continue
        if key in new:
            _refuse((key,), {*TOP, *names}, source)
        elif near := get_close_matches(key, TOP, 1, 0.88):
            raise InputError(
                f'{source.of(key)}: unknown key; did you mean {near[0]}? Rename it'
            )


def _check_keys(part: Part, added: Sequence[Keys], source: Source) -> None:
    accepted = part.accepted
    known = {*accepted.names, *ALWAYS}
    for key in map(str, part.node):
        path = (*part.path, key)
        if key in known:
            continue
        if not accepted.others:
            _refuse(path, accepted.names, source)
        beside = [k for k in part.node if (*part.path, k) not in added]
        similar = {*accepted.names, *(beside if path in added else ())}
        if path[-2:-1] != ('custom_keys',) and _near(key, similar, NEAR):
            _refuse(path, similar, source)


def _refuse(path: Keys, accepted: Iterable[str], source: Source) -> None:
    *parents, key = path
    known = sorted(map(str, accepted))
    if near := _near(key, known, 0.6):
        advice = f'did you mean {".".join((*parents, near))}?'
    elif len(known) > 12:
        advice = 'nothing reads it; remove it'
    else:
        advice = f'choose from {", ".join(known)}' if known else 'remove it'
    raise InputError(f'{source.of(".".join(path))}: unknown key; {advice}')


def _near(key: str, known: Iterable[str], cutoff: float) -> str | None:
    return next(iter(get_close_matches(key, map(str, known), 1, cutoff)), None)


def _check_type(
    part: Part, added: Sequence[Keys], source: Source, all_imported: bool
) -> None:
    place, name = '/'.join(part.path), part.node.get('type')
    dotted = part.dotted('type')
    if name is None and any(is_at(place, pattern) for pattern in NEEDS_TYPE):
        is_new = any(part.path[: len(path)] == path for path in added)
        where = f'{source.origin}: {dotted}' if is_new else source.of(dotted)
        raise InputError(
            f'{where}: is not set, or {part.path[-1]} is misspelt; set its type or '
            'correct the name'
        )
    # Transforms in a transform may be another library's.
    own = part.types is not None and not is_at(place, '*/transforms/*')
    if part.kind is None and own and isinstance(name, str) and all_imported:
        advice = _advice_on_type(name, _registered(part.types))
        raise InputError(f'{source.of(dotted)}: unknown type {name!r}; {advice}')
    needed = PACKAGES.get(str(name), ())
    if needed and not any(map(find_spec, needed)):
        raise InputError(
            f'{source.of(dotted)}: {name} needs {needed[0]}, which is not installed; '
            f'pip install {needed[0]}'
        )


def _advice_on_type(name: str, registered: Sequence[str]) -> str:
    scope = name.split('.')[0]
    if scope != name and scope in SCOPES:
        way = f'add {scope}.models or what defines it to custom_imports.imports'
        missing = find_spec(scope) is None
        return f'pip install {SCOPES[scope]}, and {way}' if missing else way
    near = _near(name, registered, 0.6)
    return f'did you mean {near}?' if near else 'import the module that defines it'


def _registered(types: Registry | None) -> list[str]:
    """Return the names of a registry and of those that it looks them up in."""
    if types is None:
        return []
    types.import_from_location()
    return [*types.module_dict, *_registered(types.parent)]


def _check_ranges(part: Part, source: Source) -> None:
    for key, value in part.node.items():
        limits = range_of(part, str(key))
        if limits is not None and not limits.holds(value):
            raise InputError(
                f'{source.of(part.dotted(str(key)))}: must be {limits.words}, not '
                f'{value!r}'
            )


def _check_order(part: Part, source: Source) -> None:
    begin, end = part.node.get('begin'), part.node.get('end')
    if '_ParamScheduler' in part.names and begin and end and begin >= end:
        dotted = part.dotted('begin')
        raise InputError(f'{source.of(dotted)}: must be below its end, {end}')


def _check_together(config: Config, source: Source) -> None:
    for keys in TOGETHER:
        given = [key for key in keys if config.get(key) is not None]
        absent = [key for key in keys if key in config and config[key] is None]
        if given and absent:
            raise InputError(
                f'{source.of(absent[0])}: is None, which needs '
                f'{" ".join(f"{key}=None" for key in given)} too; set all or none'
            )


def _check_sliding(config: Mapping[str, Any], source: Source) -> None:
    """Refuse sliding inference without its sizes, which mmseg misses when it tests."""
    test_cfg = present_value(config, 'model.test_cfg') or {}
    for key in ('crop_size', 'stride'):
        if test_cfg.get('mode') == 'slide' and test_cfg.get(key) is None:
            raise InputError(
                f'{source.of(f"model.test_cfg.{key}")}: is not set, but mode is slide; '
                f'set it, such as model.test_cfg.{key}=512,512'
            )


def _check_classes(config: Config, source: Source) -> None:
    """Refuse a number of classes that is not that of the labels, where it is known."""
    dataset = _labelled(config)
    kind = find_type(dataset.get('type'), DATASETS)
    classes = getattr(kind, 'METAINFO', {}).get('classes')
    if classes is None or 'metainfo' in dataset:
        return
    for part in parts_of({'model': config.get('model')}):
        if part.path[:2] == ('model', 'auxiliary_head') and len(part.path) > 2:
            continue  # one of several may learn something else, such as edges
        number = part.node.get('num_classes', len(classes))
        if number != len(classes):
            raise InputError(
                f'{source.of(part.dotted("num_classes"))}: is {number}, but the labels '
                f'of {kind.__name__} have {len(classes)} classes; make them equal'
            )


def _labelled(config: Config) -> Mapping[str, Any]:
    """Return the config of the data set that gives training its labels, if any."""
    dataset = present_value(config._cfg_dict, 'train_dataloader.dataset') or {}
    dataset = dataset.get('source', dataset)
    if isinstance(dataset, list | tuple):
        dataset = dataset[0] if dataset else {}
    return dataset if isinstance(dataset, Mapping) else {}
