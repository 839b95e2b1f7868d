"""What a Python file imports, defines and registers, and a digest of its code."""

from __future__ import annotations

import ast
import functools
import hashlib
import re
import tokenize
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from cfcontra_mm.errors import InputError

# A module and a name in it, or None for the module itself.
Reference = tuple[str, str | None]

STRING_OR_COMMENT = re.compile(
    rb"""
    \#[^\n]*
    | \"{3} (?: \\. | [^\\] )*? \"{3} | '{3} (?: \\. | [^\\] )*? '{3}
    | " (?: \\. | [^\\"\n] )* "         | ' (?: \\. | [^\\'\n] )* '
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class Source:
    """What is in a file.

    Args:
        digest: sha256 of its code, which neither comments nor docstrings change.
        imports: What it imports anywhere, with the local name.
        defined: Names that it defines at its top.
        registered: Names under which it registers something.
        uses: The attributes that it takes from a name, as chains; an empty chain if it
            uses the name itself.
    """

    digest: str
    imports: list[tuple[str, Reference]]
    defined: set[str]
    registered: set[str]
    uses: dict[str, set[tuple[str, ...]]]


def read_source(path: Path, module: str = '') -> Source:
    """What is in a file, which is read again only if it has changed.

    Args:
        path: The file.
        module: Its dotted name, from which relative imports start.

    Raises:
        InputError: It is no Python.
    """
    stat = path.stat()
    return _parse(path, module, stat.st_mtime_ns, stat.st_size)


@functools.cache
def _parse(path: Path, module: str, mtime_ns: int, size: int) -> Source:
    try:
        with tokenize.open(path) as file:
            text = file.read()
        nodes = list(ast.walk(ast.parse(text)))
    except (SyntaxError, ValueError) as error:
        raise InputError(f'{path}: not Python ({error}); mend it') from error
    package = module if path.name == '__init__.py' else module.rpartition('.')[0]
    return Source(
        hashlib.sha256(_code(text, nodes)).hexdigest(),
        list(_imports(nodes, package)),
        {name for statement in nodes[0].body for name in _defined(statement)},
        set(_registered(nodes)),
        _uses(nodes),
    )


def _imports(nodes: Iterable[ast.AST], package: str) -> Iterator[tuple[str, Reference]]:
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.asname or alias.name, (alias.name, None)
                if '.' in alias.name and not alias.asname:
                    top = alias.name.split('.')[0]
                    yield top, (top, None)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split('.')[: 1 - node.level or None]
            start = parents if node.level else []
            module = '.'.join([*start, *filter(None, [node.module])])
            for alias in node.names:
                name = None if alias.name == '*' else alias.name
                yield alias.asname or alias.name, (module, name)


def _defined(statement: ast.AST) -> Iterator[str]:
    kinds = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    for node in [statement] if isinstance(statement, kinds) else ast.walk(statement):
        if isinstance(node, kinds):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def _registered(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Names that are given to a registry: as it is told, or else the class's own."""
    for node in nodes:
        for call in getattr(node, 'decorator_list', ()):
            if _is_registration(call):
                yield node.name
        if isinstance(node, ast.Call) and _is_registration(node):
            for part in (*node.args, *(keyword.value for keyword in node.keywords)):
                yield from _names(part)


def _is_registration(node: ast.AST) -> bool:
    function = getattr(node, 'func', node)
    return getattr(function, 'attr', None) == 'register_module'


def _names(node: ast.AST) -> Iterator[str]:
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            yield part.id
        elif isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield part.value


def _uses(nodes: Sequence[ast.AST]) -> dict[str, set[tuple[str, ...]]]:
    inner = {id(node.value) for node in nodes if isinstance(node, ast.Attribute)}
    uses: dict[str, set[tuple[str, ...]]] = {}
    for node in nodes:
        chain: list[str] = []
        if id(node) not in inner:
            while isinstance(node, ast.Attribute):
                chain.insert(0, node.attr)
                node = node.value
            if isinstance(node, ast.Name):
                uses.setdefault(node.id, set()).add(tuple(chain))
    return uses


def _code(text: str, nodes: Iterable[ast.AST]) -> bytes:
    """A file's text without docstrings, comments and blank lines.

    It is cut by positions, and strings are found by their quotes: the versions of
    Python differ in how they split a file into tokens and how they print its tree.
    """
    strings: list[bytes] = []

    def take(found: re.Match) -> bytes:
        if found[0].startswith(b'#'):
            return b''
        strings.append(found[0])
        return b'\0'

    code = STRING_OR_COMMENT.sub(take, _without_docstrings(text.encode(), nodes))
    lines = filter(None, map(bytes.rstrip, code.split(b'\n')))
    return b'\n'.join([*lines, *strings])


def _without_docstrings(text: bytes, nodes: Iterable[ast.AST]) -> bytes:
    starts = list(accumulate(map(len, text.splitlines(keepends=True)), initial=0))
    for node in sorted(filter(_stands_alone, nodes), key=_position, reverse=True):
        start = starts[node.lineno - 1] + node.col_offset
        end = starts[node.end_lineno - 1] + node.end_col_offset
        text = text[:start] + text[end:]
    return text


def _position(node: ast.AST) -> tuple[int, int]:
    return node.lineno, node.col_offset


def _stands_alone(node: ast.AST) -> bool:
    """Whether a node is a string without effect, such as a docstring."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
