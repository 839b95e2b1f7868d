"""The config that a checkpoint holds, read without obeying a stranger.

Without ``trust``, a config may import and build what is listed here, and no more.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import WEIGHT_INITIALIZERS
from mmengine.utils import import_modules_from_strings
from mmseg.registry import MODELS, TASK_UTILS

from cfcontra_mm.errors import InputError
from cfcontra_mm.models.weights import TRUST
from cfcontra_mm.plugins import GROUP

PACKAGES = ('cfcontra_mm', 'mmcv', 'mmengine', 'mmseg', 'torch')
"""Packages that a config may import, beside those of installed plugins."""

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
        InputError: There is none, or it cannot be read without ``trust``.
    """
    text = checkpoint.get('meta', {}).get('cfg')
    if not isinstance(text, str):
        raise InputError(
            f'{name}: holds no config (meta.cfg); give a checkpoint that '
            'tools/train.py wrote'
        )
    if trust:
        return _with_model(Config.fromstring(text, '.py'), name)
    try:
        cfg = literal_config(text)
        _import(cfg.get('custom_imports') or {})
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
    return _with_model(Config(cfg), name)


def _with_model(config: Config, name: str | Path) -> Config:
    if not isinstance(config.get('model'), dict):
        raise InputError(
            f'{name}: its config has no model; give a checkpoint that tools/train.py '
            'wrote'
        )
    return config


def _import(custom_imports: dict[str, Any]) -> None:
    """Import the modules of known packages; others only if they are imported anyway."""
    names = custom_imports.get('imports') or []
    names = [names] if isinstance(names, str) else names
    for name in names:
        if name.split('.')[0] not in _packages() and name not in sys.modules:
            raise ValueError(f'it imports {name}')
    import_modules_from_strings(**{'imports': [], **custom_imports})


def _packages() -> set[str]:
    plugins = {entry.module.split('.')[0] for entry in entry_points(group=GROUP)}
    return {*PACKAGES, *plugins}


def _check_pipeline(steps: object) -> None:
    for step in _dicts(steps):
        if step.get('type') not in TRANSFORMS:
            raise ValueError(f'transform {step.get("type")}')
        _check_files(step)


def _check_model(model: object) -> None:
    for part in _dicts(model):
        if 'type' in part and not _is_registered(part['type']):
            raise ValueError(f'type {part["type"]}')
        _check_files(part)


def _is_registered(kind: object) -> bool:
    """Tell whether a type is the name of a class; a path to one would be imported."""
    if not isinstance(kind, str) or '.' in kind:
        return False
    registries = (MODELS, TASK_UTILS, WEIGHT_INITIALIZERS)
    return any(registry.get(kind) is not None for registry in registries)


def _dicts(value: object) -> Iterator[dict[str, Any]]:
    """Give all dicts of nested values, without those of the start."""
    if isinstance(value, dict):
        yield value
        value = [value[key] for key in value if key not in START]
    if isinstance(value, list | tuple):
        for item in value:
            yield from _dicts(item)


def _check_files(part: dict[str, Any]) -> None:
    """Refuse an argument that names a file: what reads it may run what it holds."""
    for key, value in part.items():
        if key in START or not isinstance(value, str):
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
