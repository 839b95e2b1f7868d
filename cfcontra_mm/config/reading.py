"""Reading config files, with one line for whatever is wrong."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict

import cfcontra_mm.config.plain_yaml  # noqa: F401  so that YAML runs no code
from cfcontra_mm.errors import InputError
from cfcontra_mm.values import Text, parse_value

from .checks import Source, check_config, check_groups, new_keys, present_value
from .combination import recombine

PARTS = {
    **{
        f'datasets/style_{pair}.py': f'style_pairs/{pair}.py'
        for pair in ('folders', 'gta2city', 'synthia2city', 'toystreets')
    },
    'models/adain_small.py': 'translators/adain_small.py',
    'models/adain_vgg19.py': 'translators/adain_vgg19.py',
}
"""Where files of ``_base_`` are now, by their names in version 0.1."""

MMENGINE_HOOKS = (
    *('runtime_info', 'timer', 'sampler_seed', 'logger', 'param_scheduler'),
    'checkpoint',
)
"""Default hooks that a ``Runner`` adds unless they are ``None``."""

PATHS = (
    *('work_dir', 'load_from', 'data_root', 'ann_file', 'img_path', 'seg_map_path'),
    *('weights', 'checkpoint', 'output_dir', 'save_dir', 'out_dir', 'experiment_name'),
)
"""Settings that are strings, also where the config does not set them."""


def open_config(
    path: Path | str,
    overrides: Mapping[str, Any] | None = None,
    *,
    network: str | None = None,
    pair: str | None = None,
    import_modules: bool = True,
    origin: str | None = None,
) -> Config:
    """Read a config file.

    Args:
        path: The file.
        overrides: Settings that replace the config's own, by dotted key.
        network: Replaces the config's own: a name from ``configs/_base_/networks``, or
            a file like those.
        pair: Likewise, from ``configs/_base_/pairs``.
        import_modules: Whether to import what the config's ``custom_imports`` names.
        origin: Where the overrides come from, for the message if one does not fit.

    Raises:
        InputError: The file or one of its bases is missing or broken, the network or
            the pair does not fit it, or an override does not.
    """
    config = _read(current_path(Path(path)), network, pair, import_modules)
    values = _parse(config._cfg_dict, overrides or {})
    source = Source(str(path), origin or f'{path}: overrides', values)
    check_groups(config._cfg_dict, values, source)
    added = new_keys(config._cfg_dict, values)
    try:
        config.merge_from_dict(values)
    except (AttributeError, KeyError, TypeError) as error:
        raise InputError(f'{source.origin}: {error.args[0]}') from error
    if config.get('default_scope') == 'mmseg':  # else others may read it
        check_config(config, added, source, import_modules or _is_ours(config))
    _settle_workers(config)
    _drop_hooks(config)
    _find_shipped(config, Path(path))
    return config


def _parse(config: ConfigDict, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Parse the values that were typed, given those that they replace."""
    values = dict(overrides)
    for key, value in overrides.items():
        if isinstance(value, Text):
            present = present_value(config, key)
            if present is None and key.split('.')[-1] in PATHS:
                present = ''
            values[key] = parse_value(value, present)
    return values


def _is_ours(config: Config) -> bool:
    """Tell whether the config needs no module but those of the package."""
    imports = (config.get('custom_imports') or {}).get('imports') or ()
    names = (imports,) if isinstance(imports, str) else imports
    return all(name.split('.')[0] == 'cfcontra_mm' for name in names)


def _settle_workers(config: Config) -> None:
    """Reset what torch refuses of a loader without worker processes."""
    for step in ('train', 'val', 'test'):
        loader = config.get(f'{step}_dataloader') or {}
        if loader.get('num_workers') == 0:
            alone = dict(
                persistent_workers=False,
                prefetch_factor=None,
                multiprocessing_context=None,
                timeout=0,
            )
            loader.update({key: alone[key] for key in alone if key in loader})


def _drop_hooks(config: Config) -> None:
    """Leave out the hooks that are ``None``: MMEngine does so with its own alone."""
    hooks = config.get('default_hooks') or {}
    for name in [n for n in hooks if hooks[n] is None and n not in MMENGINE_HOOKS]:
        del hooks[name]


def _find_shipped(config: Config, path: Path) -> None:
    """Find files of the config's checkout from any working directory.

    What begins with ``configs/`` and is not below the working directory is replaced by
    its path in the checkout.
    """

    def found(value: Any) -> Any:
        if isinstance(value, str) and value.startswith('configs/'):
            return str(in_checkout(Path(value), path))
        if isinstance(value, dict):
            value.update({key: found(inner) for key, inner in value.items()})
        elif isinstance(value, list | tuple):
            return type(value)(map(found, value))
        return value

    found(config._cfg_dict)


def refuse_study(config: Config, path: Path | str) -> None:
    """Refuse a study where the config of a run is needed.

    Raises:
        InputError: It is one.
    """
    if 'study' in config and 'model' not in config:
        raise InputError(
            f'{path}: is a study, not the config of a run; use tools/benchmark.py'
        )


def in_checkout(file: Path, beside: Path) -> Path:
    """Return where a file is: as given, or in the checkout of another file.

    Args:
        file: The file; if it begins with ``configs/``, it may be relative to a
            checkout instead of the working directory.
        beside: A file of the checkout.
    """
    if file.parts[:1] != ('configs',) or file.exists():
        return file
    places = (folder / file for folder in beside.resolve().parents)
    return next((place for place in places if place.exists()), file)


def _read(
    path: Path, network: str | None, pair: str | None, import_modules: bool
) -> Config:
    try:
        if network is not None or pair is not None:
            return recombine(path, network, pair, import_modules)
        return Config.fromfile(path, import_custom_modules=import_modules)
    except FileNotFoundError as error:
        missing = Path(error.filename or path)
        raise InputError(
            f'{missing}: no such config file; {_advice(missing)}'
        ) from error
    except InputError:
        raise
    except Exception as error:
        cause = error.__cause__ or error
        reason = [type(cause).__name__, *str(cause).splitlines()[:1]]
        raise InputError(f'{path}: not a config ({": ".join(reason)})') from error


def _advice(missing: Path) -> str:
    """Say what to do about a missing file; some had other names in version 0.1."""
    folder, base = missing.parent.name, missing.parent.parent
    if part := PARTS.get(f'{folder}/{missing.name}'):
        return f'it is now {base / part}'
    if folder in ('datasets', 'models', 'schedules') and (base / 'networks').is_dir():
        return f'what it set is now in {base}/networks and pairs'
    if now := _present_path(missing):
        return f'it is now {now}'
    return 'give its path from the working directory'


def current_path(path: Path) -> Path:
    """Return the present path of a study, given that of version 0.1."""
    now = None if path.exists() else _present_path(path)
    if now is None:
        return path
    warnings.warn(f'{path}: is now {now}', FutureWarning, stacklevel=3)
    return now


def _present_path(path: Path) -> Path | None:
    """Return where a file of ``configs/benchmarks`` is now, if it is there."""
    parts = list(path.parts)
    if 'benchmarks' not in parts:
        return None
    parts[len(parts) - 1 - parts[::-1].index('benchmarks')] = 'studies'
    return Path(*parts) if Path(*parts).exists() else None
