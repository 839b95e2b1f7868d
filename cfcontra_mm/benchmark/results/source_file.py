"""Parse what a Python file imports, defines and registers, and hash its code."""

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
DEFINITION = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef

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
    """The parsed content of a file.

    Args:
        digest: sha256 of its code without comments and docstrings.
        imports: Local names and what they import, anywhere in the file.
        defined: Names that it defines at module level.
        registered: Names under which it registers something.
        uses: The chains of attributes that it accesses on each name; an empty chain if
            it uses the name itself.
    """

    digest: str
    imports: list[tuple[str, Reference]]
    defined: set[str]
    registered: set[str]
    uses: dict[str, set[tuple[str, ...]]]


def read_source(path: Path, module: str = '') -> Source:
    """Parse a file, again only if it has changed.

    Args:
        path: The file.
        module: Its dotted name, which relative imports start from.

    Raises:
        InputError: The file is not valid Python.
    """
    stat = path.stat()
    return _parse(path, module, stat.st_mtime_ns, stat.st_size)


@functools.cache
def _parse(path: Path, module: str, mtime_ns: int, size: int) -> Source:
    try:
        with tokenize.open(path) as file:
            text = file.read()
        tree = ast.parse(text)
    except (SyntaxError, ValueError) as error:
        raise InputError(f'{path}: not valid Python ({error}); fix it') from error
    nodes = list(ast.walk(tree))
    package = module if path.name == '__init__.py' else module.rpartition('.')[0]
    return Source(
        hashlib.sha256(_code(text, nodes)).hexdigest(),
        list(_imports(nodes, package)),
        {name for statement in tree.body for name in _defined(statement)},
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
    inner = isinstance(statement, DEFINITION)
    for node in [statement] if inner else ast.walk(statement):
        if isinstance(node, DEFINITION):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def _registered(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Yield the names of what is registered, by decorator or by call."""
    for node in nodes:
        if isinstance(node, DEFINITION) and any(
            map(_is_registration, node.decorator_list)
        ):
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
    """Return a file's text without docstrings, comments and blank lines.

    Docstrings are cut by position, and strings are found by their quotes, because
    Python versions differ in how they tokenize a file and print its syntax tree.
    """
    strings: list[bytes] = []

    def take(found: re.Match[bytes]) -> bytes:
        if found[0].startswith(b'#'):
            return b''
        strings.append(found[0])
        return b'\0'

    code = STRING_OR_COMMENT.sub(take, _without_docstrings(text.encode(), nodes))
    lines = filter(None, map(bytes.rstrip, code.split(b'\n')))
    return b'\n'.join([*lines, *strings])


def _without_docstrings(text: bytes, nodes: Iterable[ast.AST]) -> bytes:
    starts = list(accumulate(map(len, text.splitlines(keepends=True)), initial=0))
    for node in sorted(_docstrings(nodes), key=_position, reverse=True):
        start = starts[node.lineno - 1] + node.col_offset
        # Only nodes that were not parsed have no end.
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        end = starts[node.end_lineno - 1] + node.end_col_offset
        text = text[:start] + text[end:]
    return text


def _position(node: ast.Expr) -> tuple[int, int]:
    return node.lineno, node.col_offset


def _docstrings(nodes: Iterable[ast.AST]) -> Iterator[ast.Expr]:
    """Yield the statements that are only a string, such as a docstring."""
    for node in nodes:
        match node:
            case ast.Expr(value=ast.Constant(value=str())):
                yield node
