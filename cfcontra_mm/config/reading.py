"""Configs of MMEngine, with one line for what is wrong in them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

import cfcontra_mm.config.plain_yaml  # noqa: F401  so that a YAML config runs no code
from cfcontra_mm.errors import InputError

from .combination import recombine


def open_config(
    path: Path | str,
    import_modules: bool = True,
    network: str | None = None,
    pair: str | None = None,
) -> Config:
    """Read a config file.

    Args:
        path: The file.
        import_modules: Whether to import what its ``custom_imports`` names.
        network: Name of one of ``configs/_base_/networks``, or a file like those, that
            takes the place of the config's own.
        pair: Likewise of ``configs/_base_/pairs``.

    Raises:
        InputError: The file or one of its bases is missing or broken, or does not go
            with the network or the pair.
    """
    try:
        if network is not None or pair is not None:
            return recombine(path, network, pair, import_modules)
        return Config.fromfile(path, import_custom_modules=import_modules)
    except FileNotFoundError as error:
        missing = error.filename or path
        raise InputError(
            f'{missing}: no such config file{_where_now(Path(missing))}'
        ) from error
    except InputError:
        raise
    except Exception as error:
        cause = error.__cause__ or error
        reason = [type(cause).__name__, *str(cause).splitlines()[:1]]
        raise InputError(f'{path}: not a config ({": ".join(reason)})') from error


def _where_now(missing: Path) -> str:
    """What to say of a part of a base by the name that it had in version 0.1."""
    folder, base = missing.parent.name, missing.parent.parent
    if folder in ('datasets', 'models', 'schedules') and (base / 'networks').is_dir():
        return '; what it held is now in _base_/networks and _base_/pairs'
    return ''


def override(config: Config, settings: Mapping[str, Any], where: str) -> None:
    """Put settings in place of a config's own.

    Args:
        config: Is changed.
        settings: By their dotted keys.
        where: What gave them, for the message.

    Raises:
        InputError: One of them does not fit.
    """
    try:
        config.merge_from_dict(dict(settings))
    except (AttributeError, KeyError, TypeError) as error:
        raise InputError(f'{where}: {error.args[0]}') from error
