"""The config that a checkpoint holds, read without obeying a stranger.

Without ``trust``, a config may import and build what is listed here, and no more.
"""

from __future__ import annotations

import ast
import re
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import WEIGHT_INITIALIZERS
from mmengine.utils import import_modules_from_strings
from mmseg.registry import MODELS, TASK_UTILS
from torch import Tensor

from cfcontra_mm.config.checks import Source, check_values
from cfcontra_mm.config.ranges import is_integer
from cfcontra_mm.datasets.folders import nested_dicts
from cfcontra_mm.errors import InputError
from cfcontra_mm.models.weights import TRUST, weights_of
from cfcontra_mm.plugins import GROUP

MODULES = (
    'cfcontra_mm',
    *(f'mmseg.{part}' for part in ('models', 'datasets', 'engine', 'evaluation')),
    *('mmseg.structures', 'mmseg.visualization'),
)
"""What registers types: a config may import it, what is in it, and plugins."""

LIBRARIES = ('torch', 'mmcv', 'mmengine', 'mmseg')
"""Packages of which nothing else is imported, even if it is loaded already."""

SCOPES = ('mmseg', 'mmengine', 'mmcv', 'torch')
"""Where types may be looked up; MMEngine imports a scope that it does not know."""

SIZES = re.compile('(channels|dims|classes)$')
"""Settings that weights have the size of."""

TRANSFORMS = (
    *('LoadImage', 'LoadImageFromFile', 'Pad', 'Resize', 'PackSegInputs'),
    *('LoadAnnotations', 'LoadLabels', 'LoadSYNTHIALabels', 'MapLabels'),
)
"""Transforms of a test pipeline that read nothing but the image and its label."""

START = ('weights', 'pretrained', 'init_cfg')
"""Where a network starts from: not read, as the checkpoint has the weights."""


def checkpoint_config(
    checkpoint: dict, name: str | Path, trust: bool = False
) -> Config:
    """Return the config that a checkpoint was trained with.

    Args:
        checkpoint: As :func:`read_checkpoint` gives it.
        name: Name of the checkpoint, for the messages.
        trust: Whether the config may run code, as MMEngine's configs can.

    Raises:
        InputError: There is none, it cannot be read without ``trust``, or it holds
            values that no network can have.
    """
    text = checkpoint.get('meta', {}).get('cfg')
    if not isinstance(text, str):
        raise InputError(
            f'{name}: holds no config (meta.cfg); give a checkpoint that '
            'tools/train.py wrote'
        )
    config = Config.fromstring(text, '.py') if trust else _read_literal(text, name)
    if not isinstance(config.get('model'), dict):
        raise InputError(
            f'{name}: its config has no model; give a checkpoint that tools/train.py '
            'wrote'
        )
    _check_values(config.to_dict(), checkpoint, str(name))
    return config


def _read_literal(text: str, name: str | Path) -> Config:
    """Read a config that may be a stranger's."""
    try:
        cfg = literal_config(text)
        _import(cfg.get('custom_imports') or {})
        _check_scope(cfg.get('default_scope'))
        _check_pipeline(cfg.get('test_pipeline') or [])
        _check_model(cfg.get('model') or {})
    except ImportError as error:
        raise InputError(
            f'{name}: its config imports what is not installed ({error}); install it'
        ) from error
    except (ValueError, SyntaxError) as error:
        raise InputError(
            f'{name}: its config is not only of known parts ({error}); {TRUST}'
        ) from error
    return Config(cfg)


def _check_values(config: dict, checkpoint: dict, name: str) -> None:
    """Refuse values out of range, and sizes that no weight of the checkpoint has."""
    kept = {key: config[key] for key in ('model', 'test_pipeline') if key in config}
    kept = _without_start(kept)
    check_values(kept, Source(name, name, ()))
    state = [v for v in weights_of(checkpoint).values() if isinstance(v, Tensor)]
    largest = max((n for weight in state for n in weight.shape), default=None)
    for part in nested_dicts(kept['model']) if largest is not None else ():
        for key, value in part.items():
            sizes = value if isinstance(value, list | tuple) else [value]
            if SIZES.search(key) and any(is_integer(n) and n > largest for n in sizes):
                raise InputError(
                    f'{name}: its config has {key}={value}, but no weight that is '
                    f'larger than {largest}; restore it or choose another'
                )


def _without_start(value: Any) -> Any:
    """Return nested values without those of the start, whose types nobody checks."""
    if isinstance(value, dict):
        return {k: _without_start(v) for k, v in value.items() if k not in START}
    if isinstance(value, list | tuple):
        return type(value)(map(_without_start, value))
    return value


def _import(custom_imports: Any) -> None:
    """Import the known modules; others only if they are imported anyway."""
    if not isinstance(custom_imports, dict):
        raise ValueError(f'custom_imports is {custom_imports!r}')
    names = custom_imports.get('imports') or []
    names = [names] if isinstance(names, str) else names
    if not isinstance(names, list | tuple):
        raise ValueError(f'it imports {names!r}')
    for name in names:
        if not isinstance(name, str) or not _may_import(name):
            raise ValueError(f'it imports {name!r}')
    allow = bool(custom_imports.get('allow_failed_imports'))
    import_modules_from_strings(list(names), allow_failed_imports=allow)


def _may_import(name: str) -> bool:
    plugins = {entry.module.split('.')[0] for entry in entry_points(group=GROUP)}
    if f'{name}.'.startswith(tuple(f'{module}.' for module in (*MODULES, *plugins))):
        return '__main__' not in name
    return name in sys.modules and name.split('.')[0] not in LIBRARIES


def _check_scope(scope: object) -> None:
    if scope is not None and scope not in SCOPES:
        raise ValueError(f'scope {scope!r}')


def _check_pipeline(steps: object) -> None:
    for step in nested_dicts(_without_start(steps)):
        if step.get('type') not in TRANSFORMS:
            raise ValueError(f'transform {step.get("type")}')
        _check_scope(step.get('_scope_'))
        _check_files(step)


def _check_model(model: object) -> None:
    for part in nested_dicts(_without_start(model)):
        if 'type' in part and not _is_registered(part['type']):
            raise ValueError(f'type {part["type"]}')
        _check_scope(part.get('_scope_'))
        _check_files(part)


def _is_registered(kind: object) -> bool:
    """Tell whether a type is the name of a class; a path to one would be imported."""
    if not isinstance(kind, str) or '.' in kind:
        return False
    registries = (MODELS, TASK_UTILS, WEIGHT_INITIALIZERS)
    return any(registry.get(kind) is not None for registry in registries)


def _check_files(part: dict[str, Any]) -> None:
    """Refuse an argument that names a file: what reads it may run what it holds."""
    for key, value in part.items():
        if not isinstance(value, str):
            continue
        if '/' in value or '\\' in value or Path(value).exists():
            raise ValueError(f'{key} names the file {value}')


class _DictCalls(ast.NodeTransformer):
    """Turns ``dict(a=1)``, as MMEngine prints configs, into ``{'a': 1}``."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        name = getattr(node.func, 'id', None)
        if name != 'dict' or node.args or any(k.arg is None for k in node.keywords):
            raise ValueError(f'line {node.lineno} calls a function')
        keys: list[ast.expr | None] = [ast.Constant(k.arg) for k in node.keywords]
        return ast.Dict(keys, [keyword.value for keyword in node.keywords])


def literal_config(text: str) -> dict:
    """Parse the values of a config's text, which is never run.

    Args:
        text: The text of a checkpoint's config, as MMEngine prints it.

    Raises:
        ValueError: A value is not a literal.
    """
    cfg = {}
    for statement in ast.parse(text).body:
        if not isinstance(statement, ast.Assign):
            raise ValueError(f'line {statement.lineno} is not an assignment')
        name = ast.unparse(statement.targets[0])
        cfg[name] = ast.literal_eval(_DictCalls().visit(statement.value))
    return cfg
