"""YAML read as plain values: a tag in it runs no code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import IO, Any

import yaml
from mmengine.fileio import register_handler
from mmengine.fileio.handlers import JsonHandler, YamlHandler

from cfcontra_mm.errors import InputError

MAX_BYTES = 100_000


def read_yaml(path: str | Path) -> Any:
    """Read a small YAML file of unknown origin.

    Raises:
        InputError: It is too large, not YAML, or holds anything but lists, dicts,
            strings, numbers, dates and booleans.
    """
    with Path(path).open('rb') as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise InputError(f'{path}: is larger than {MAX_BYTES} bytes; shorten it')
    try:
        return yaml.load(content, Loader=_PlainLoader)
    except (yaml.YAMLError, ValueError) as error:
        raise InputError(f'{path}: not a YAML file ({_reason(error)})') from error
    except RecursionError as error:
        raise InputError(f'{path}: not a YAML file (nested too deeply)') from error


def _reason(error: Exception) -> str:
    mark = getattr(error, 'problem_mark', None)
    problem = getattr(error, 'problem', None) or str(error)
    where = f'line {mark.line + 1}: ' if mark else ''
    return where + ' '.join(problem.split())


class _PlainLoader(yaml.SafeLoader):
    """PyYAML's safe loader without aliases: a few lines of them can fill any memory."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()
            problem = f'alias *{event.anchor} is not supported; write its value out'
            raise yaml.composer.ComposerError(None, None, problem, event.start_mark)
        return super().compose_node(parent, index)


class _ConfigLoader(yaml.SafeLoader):
    """PyYAML's safe loader, and the tuples that MMEngine writes."""


def _construct_tuple(loader: _ConfigLoader, node: yaml.SequenceNode) -> tuple:
    return tuple(loader.construct_sequence(node, deep=True))


_ConfigLoader.add_constructor('tag:yaml.org,2002:python/tuple', _construct_tuple)


@register_handler(['yaml', 'yml'])
class SafeYamlHandler(YamlHandler):
    """MMEngine's handler of YAML, whose own loader runs whatever a tag names."""

    def load_from_fileobj(self, file: IO[str], **kwargs: Any) -> Any:
        """Read the plain values of a file."""
        return yaml.load(file, Loader=_ConfigLoader)


@register_handler('json')
class MarkedJsonHandler(JsonHandler):
    """MMEngine's handler of JSON, which an editor's mark of UTF-8 may precede."""

    def load_from_fileobj(self, file: IO[str]) -> Any:
        """Read the values of a file."""
        return json.loads(file.read().removeprefix('\ufeff'))
