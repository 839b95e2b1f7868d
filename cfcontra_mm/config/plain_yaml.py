"""YAML that is read as plain values: a tag in it runs no code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from mmengine.fileio import register_handler
from mmengine.fileio.handlers import YamlHandler

from cfcontra_mm.errors import InputError

MAX_BYTES = 100_000


def read_yaml(path: str | Path) -> Any:
    """Read a small YAML file from whoever it may come.

    Raises:
        InputError: It is too large, no YAML, or more than lists, dicts, texts, numbers,
            dates and truth values.
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
    """PyYAML's safe loader, without aliases: a few lines of them fill any memory."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()
            problem = f'the alias *{event.anchor} is not read; write out what it means'
            raise yaml.composer.ComposerError(None, None, problem, event.start_mark)
        return super().compose_node(parent, index)


class _ConfigLoader(yaml.SafeLoader):
    """PyYAML's safe loader, with the tuples that MMEngine writes."""


_ConfigLoader.add_constructor(
    'tag:yaml.org,2002:python/tuple',
    lambda loader, node: tuple(loader.construct_sequence(node, deep=True)),
)


@register_handler(['yaml', 'yml'])
class SafeYamlHandler(YamlHandler):
    """What MMEngine reads YAML with; its own runs whatever a tag names."""

    def load_from_fileobj(self, file: Any, **kwargs) -> Any:
        """The plain values of a file."""
        return yaml.load(file, Loader=_ConfigLoader)
