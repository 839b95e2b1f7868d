"""Dicts of a config to dataclasses, whose annotations say what their fields hold."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import is_dataclass
from reprlib import repr as shortened
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from cfcontra_mm.errors import InputError

# What a config writes for an annotation, in words and as types.
WRITTEN = {
    str: ('a string', str),
    int: ('a whole number', int),
    float: ('a number', (int, float)),
    NoneType: ('None', NoneType),
    **dict.fromkeys((tuple, Sequence), ('a list', (list, tuple))),
    **dict.fromkeys((dict, Mapping), ('a dict', dict)),
}
# In the strings of overrides: the seed of the run.
SEED = '{seed}'
Entry = TypeVar('Entry')


def from_dict(kind: type[Entry], given: Any, where: str) -> Entry:
    """Make a dataclass, and those in its fields, of what a config says.

    Args:
        kind: The dataclass.
        given: A dict of its fields; what is a tuple in them may be any list.
        where: File and place of that dict, for the message.

    Raises:
        InputError: It is no dict, or a field is unknown, missing or of a wrong type.
    """
    hints = get_type_hints(kind)
    check_arguments(kind, given, where)
    return kind(
        **{name: _read(v, hints[name], f'{where}.{name}') for name, v in given.items()}
    )


def check_arguments(function: Callable, given: Any, where: str) -> None:
    """Raise unless a dict has what a function takes, and no more.

    Args:
        function: The function, or a class.
        given: The dict.
        where: File and place of that dict, for the message.

    Raises:
        InputError: It is no dict, or an argument is unknown or missing.
    """
    parameters = inspect.signature(function).parameters
    _check_type(given, [dict], where)
    for name in given:
        if name not in parameters:
            known = ', '.join(parameters)
            raise InputError(f'{where} takes no {name!r}; choose from {known}')
    for name, parameter in parameters.items():
        if name not in given and parameter.default is inspect.Parameter.empty:
            raise InputError(f'{where} lacks {name!r}; add it')


def _read(value: Any, hint: Any, where: str) -> Any:
    """A value as its annotation has it."""
    if hint is Any:
        return value
    if is_dataclass(hint):
        return from_dict(hint, value, where)
    option = _check_type(value, _options(hint), where)
    if isinstance(value, list | tuple):
        inner = get_args(option)[0]
        return tuple(_read(v, inner, f'{where}[{i}]') for i, v in enumerate(value))
    if isinstance(value, dict):
        inner = get_args(option)[1]
        return {k: _read(v, inner, f'{where}[{k!r}]') for k, v in value.items()}
    return value


def _options(hint: Any) -> Sequence[Any]:
    return get_args(hint) if isinstance(hint, UnionType) else [hint]


def _check_type(value: Any, options: Sequence[Any], where: str) -> Any:
    """The first of some annotations that a value fits."""
    written = [WRITTEN[get_origin(option) or option] for option in options]
    for option, (_, types) in zip(options, written, strict=True):
        if isinstance(value, types):
            return option
    words = ' or '.join(word for word, _ in written)
    raise InputError(f'{where} is {shortened(value)}; write {words}')


def for_seed(value: Any, seed: int | None) -> Any:
    """Overrides with a seed, if one is given, for every ``{seed}`` in their strings."""
    if isinstance(value, str):
        return value if seed is None else value.replace(SEED, str(seed))
    if isinstance(value, Mapping):
        return {key: for_seed(item, seed) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(for_seed(item, seed) for item in value)
    return value
