"""The one door through which configs are read, with one line for what is wrong."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

import cfcontra_mm.config.plain_yaml  # noqa: F401  so that a YAML config runs no code
from cfcontra_mm.errors import InputError

from .combination import recombine


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
        overrides: Settings in place of its own, by their dotted keys.
        network: Name of one of ``configs/_base_/networks``, or a file like those, that
            takes the place of the config's own.
        pair: Likewise of ``configs/_base_/pairs``.
        import_modules: Whether to import what its ``custom_imports`` names.
        origin: What gave the overrides, for the message about one that does not fit.

    Raises:
        InputError: The file or one of its bases is missing or broken, or does not go
            with the network or the pair, or an override does not fit.
    """
    config = _read(_current(Path(path)), network, pair, import_modules)
    try:
        config.merge_from_dict(dict(overrides or {}))
    except (AttributeError, KeyError, TypeError) as error:
        raise InputError(
            f'{origin or f"{path}: overrides"}: {error.args[0]}'
        ) from error
    return config


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
    """What to do about a missing file, some of which had other names in version 0.1."""
    folder, base = missing.parent.name, missing.parent.parent
    if folder in ('datasets', 'models', 'schedules') and (base / 'networks').is_dir():
        return (
            'what it held is now in _base_/networks, pairs, style_pairs or translators'
        )
    return 'give its path from the working directory'


def _current(path: Path) -> Path:
    """Where a study is whose path is that of version 0.1."""
    parts = list(path.parts)
    if 'benchmarks' not in parts or path.exists():
        return path
    last = len(parts) - 1 - parts[::-1].index('benchmarks')
    now = Path(*parts[:last], 'studies', *parts[last + 1 :])
    if not now.exists():
        return path
    warnings.warn(f'{path}: is now {now}', FutureWarning, stacklevel=3)
    return now
