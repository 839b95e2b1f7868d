"""Convert dicts of a config to dataclasses, checked against their annotations."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import is_dataclass
from difflib import get_close_matches
from reprlib import repr as shortened
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from cfcontra_mm.errors import InputError

# What a config may hold for an annotation, in words and as types.
EXPECTED: dict[object, tuple[str, type | tuple[type, ...]]] = {
    str: ('a string', str),
    bool: ('True or False', bool),
    int: ('an integer', int),
    float: ('a number', (int, float)),
    NoneType: ('None', NoneType),
    **dict.fromkeys((tuple, Sequence), ('a list', (list, tuple))),
    **dict.fromkeys((dict, Mapping), ('a dict', dict)),
}
# Placeholder for the seed of the run in the strings of overrides.
SEED = '{seed}'
Entry = TypeVar('Entry')


def from_dict(kind: type[Entry], given: Any, where: str) -> Entry:
    """Build a dataclass, and those nested in its fields, from a dict of a config.

    Args:
        kind: The dataclass.
        given: Dict of its fields; a list is accepted for a tuple.
        where: File and key of that dict, for the error message.

    Raises:
        InputError: It is not a dict, or a key is unknown or missing, or a value has
            the wrong type.
    """
    hints = get_type_hints(kind)
    check_arguments(kind, given, where)
    return kind(
        **{name: _read(v, hints[name], f'{where}.{name}') for name, v in given.items()}
    )


def check_arguments(function: Callable[..., Any], given: Any, where: str) -> None:
    """Check that the keys of a dict are arguments that a function accepts.

    Args:
        function: The function, or a class.
        given: The dict.
        where: File and key of that dict, for the error message.

    Raises:
        InputError: It is not a dict, or a key is unknown or missing.
    """
    parameters = inspect.signature(function).parameters
    _check_type(given, [dict], where)
    for name in given:
        if name not in parameters:
            near = get_close_matches(str(name), parameters, 1)
            guess = f'did you mean {near[0]}? ' if near else ''
            known = ', '.join(parameters)
            raise InputError(
                f'{where}: unknown key {name!r}; {guess}choose from {known}'
            )
    for name, parameter in parameters.items():
        if name not in given and parameter.default is inspect.Parameter.empty:
            raise InputError(f'{where}: missing key {name!r}; add it')


def _read(value: Any, hint: Any, where: str) -> Any:
    """Convert a value to its annotated type."""
    if hint is Any:
        return value
    for kind in _options(hint):
        if isinstance(kind, type) and is_dataclass(kind):
            optional = kind is not hint and value is None
            return None if optional else from_dict(kind, value, where)
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
    """Return the first of some annotations that a value matches."""
    expected = [EXPECTED[get_origin(option) or option] for option in options]
    for option, (_, types) in zip(options, expected, strict=True):
        if isinstance(value, types):
            return option
    words = ' or '.join(word for word, _ in expected)
    raise InputError(f'{where} is {shortened(value)}; expected {words}')


def for_seed(value: Any, seed: int | None) -> Any:
    """Replace every ``{seed}`` in the strings of overrides, unless the seed is None."""
    if isinstance(value, str):
        return value if seed is None else value.replace(SEED, str(seed))
    if isinstance(value, Mapping):
        return {key: for_seed(item, seed) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(for_seed(item, seed) for item in value)
    return value
