"""The arguments that a class takes, through ``**kwargs`` to its base classes."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from mmengine.hooks import CheckpointHook

SWALLOWS = (CheckpointHook,)
"""Classes that keep their ``**kwargs`` and make no use of them."""


class Arguments(NamedTuple):
    """Arguments of a class or a function.

    Attributes:
        names: Their names.
        optional: Names of those that are ``None`` by default.
        others: Whether it may take others too.
    """

    names: frozenset[str]
    optional: frozenset[str] = frozenset()
    others: bool = False


ANYTHING = Arguments(frozenset(), others=True)


@cache
def arguments_of(function: Callable[..., Any]) -> Arguments:
    """Return the arguments of a class or a function.

    The ``**kwargs`` of a constructor are followed where they do nothing but go on to
    the constructor of the base class.
    """
    if not inspect.isclass(function):
        return _own_arguments(function)[0]
    found = Arguments(frozenset())
    for base in inspect.getmro(function):
        constructor = vars(base).get('__init__')
        if constructor is None:
            continue
        own, keywords = _own_arguments(constructor)
        found = Arguments(found.names | own.names, found.optional | own.optional)
        if keywords is None or base in SWALLOWS:
            return found
        if not _only_hands_on(constructor, keywords):
            break
    return found._replace(others=True)


def _own_arguments(function: Callable[..., Any]) -> tuple[Arguments, str | None]:
    """Return the named arguments of a function, and the name of its ``**kwargs``."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # built in
        return ANYTHING, 'kwargs'
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    named = [p for p in parameters if p.kind not in variable and p.name != 'self']
    keywords = [p.name for p in parameters if p.kind is variable[1]]
    found = Arguments(
        frozenset(p.name for p in named),
        frozenset(p.name for p in named if p.default is None),
        bool(keywords),
    )
    return found, keywords[0] if keywords else None


def _only_hands_on(constructor: Callable[..., Any], keywords: str) -> bool:
    """Tell whether all uses of the ``**kwargs`` are calls of another constructor."""
    try:
        source = textwrap.dedent(inspect.getsource(constructor))
    except (OSError, TypeError):
        return False
    nodes = list(ast.walk(ast.parse(source)))
    uses = [n for n in nodes if isinstance(n, ast.Name) and n.id == keywords]
    handed = [
        keyword.value
        for call in nodes
        if isinstance(call, ast.Call) and getattr(call.func, 'attr', '') == '__init__'
        for keyword in call.keywords
        if keyword.arg is None and keyword.value in uses
    ]
    return bool(handed) and len(handed) == len(uses)
