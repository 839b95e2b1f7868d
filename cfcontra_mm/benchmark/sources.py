"""The source files that a run depends on, read without running them.

What a config names by ``type`` is looked up in the files that register it, and imports
are followed from there within the packages that are read: this one and those of the
methods from outside. A package's ``__init__`` only hands on names: it is looked through
to the file that defines them, so that a further method leaves every other as it was.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import re
import tokenize
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from itertools import accumulate
from pathlib import Path
from typing import Any

from cfcontra_mm.errors import InputError

PACKAGE = 'cfcontra_mm'
ENTRY_POINTS = 'cfcontra_mm.methods'
"""Group under which packages of methods announce themselves."""

LIBRARIES = {'mmcv', 'mmdet', 'mmengine', 'mmpretrain', 'mmseg', 'timm', 'torch'}
"""Never read, even if a config imports them by name."""

INSTALLED = {'site-packages', 'dist-packages'}
"""Folders whose modules have nothing to do with each other."""

TRAINING = ('cfcontra_mm.engine.launch', 'cfcontra_mm.engine.step')
"""What trains and tests any config."""

TRANSLATION = ('cfcontra_mm.engine.translate',)
"""What copies data in another style."""

RENDERER = ('cfcontra_mm.datasets.toystreets.write',)
"""What writes ToyStreets."""

# A path to something in a module.
DOTTED = re.compile(r'[^\W\d]\w*(\.[^\W\d]\w*)+')
STRING_OR_COMMENT = re.compile(
    rb"""
    \#[^\n]*
    | \"{3} (?: \\. | [^\\] )*? \"{3} | '{3} (?: \\. | [^\\] )*? '{3}
    | " (?: \\. | [^\\"\n] )* "         | ' (?: \\. | [^\\'\n] )* '
    """,
    re.VERBOSE | re.DOTALL,
)
# A module and a name in it, or None for the module itself.
Reference = tuple[str, str | None]


class SourceTree:
    """The packages whose files are read, as they are on the disk at this moment.

    Args:
        imports: Modules that a config imports, as ``custom_imports`` has them.
    """

    def __init__(self, imports: Iterable[str] = ()) -> None:
        named = [PACKAGE, *_announced(), *imports]
        self.modules = [m for m in named if m.split('.')[0] not in LIBRARIES]
        places = {top: _locate(top) for top in {m.split('.')[0] for m in self.modules}}
        self.places = {top: place for top, place in places.items() if place}
        # Modules that are in no package have those beside them for one.
        self.folders = {
            place.parent
            for place in self.places.values()
            if not place.is_dir() and place.parent.name not in INSTALLED
        }
        self.files: dict[str, Path | None] = {}
        self.needs: dict[str, set[str]] = {}

    def digests(
        self, settings: Mapping[str, Any], modules: Iterable[str]
    ) -> dict[str, str]:
        """Digests of all files that a config and some modules depend on, by path.

        Args:
            settings: Of the config.
            modules: Modules that work on it.

        Raises:
            InputError: A file is no Python.
        """
        found: set[str] = set()
        todo = [*modules, *self._named(settings)]
        while todo:
            module = todo.pop()
            if module not in found and self._file(module):
                found.add(module)
                todo += self._needs(module)
        return {str(self._file(m)): self._read(m).digest for m in sorted(found)}

    def _named(self, settings: Mapping[str, Any]) -> Iterator[str]:
        """Modules of what is registered under a string of a config."""
        for text in set(_strings(settings)):
            # A scope may stand before the name: mmseg.SomeHook.
            yield from self.registered.get(text.split('.')[-1], ())
            if DOTTED.fullmatch(text) and self._own(text):
                yield self._resolve(*text.rsplit('.', 1))[0]

    @functools.cached_property
    def registered(self) -> dict[str, set[str]]:
        """Modules by the names under which they register something."""
        found: dict[str, set[str]] = {}
        for module in self._importable():
            for name in self._read(module).registered:
                found.setdefault(name, set()).add(module)
        return found

    def _importable(self) -> set[str]:
        """All modules that are imported with those that are named."""
        found: set[str] = set()
        todo = list(self.modules)
        while todo:
            module = todo.pop()
            if module in found or not self._file(module):
                continue
            found.add(module)
            todo.append(module.rpartition('.')[0])
            for _, (imported, name) in self._read(module).imports:
                todo += [imported, f'{imported}.{name}']
        return found

    def _needs(self, module: str) -> set[str]:
        """Modules that define what a module imports."""
        if module not in self.needs:
            source = self._read(module)
            self.needs[module] = {
                needed
                for local, reference in source.imports
                for needed in self._defining(reference, source.uses.get(local, ()))
            }
        return self.needs[module]

    def _defining(
        self, reference: Reference, uses: Iterable[tuple[str, ...]]
    ) -> Iterator[str]:
        """Modules that define a name, or of a package what is used of it."""
        module, name = self._resolve(*reference)
        if name or not self._is_package(module):
            yield module
            return
        for first, *others in filter(None, uses):
            yield from self._defining((module, first), [tuple(others)])
        if () in uses:  # handed on as a whole
            for _, inner in self._read(module).imports:
                yield self._resolve(*inner)[0]

    def _resolve(self, module: str, name: str | None) -> Reference:
        """Where a name is defined that a module offers; a module has no name."""
        seen: set[Reference] = {(module, None)}
        while (module, name) not in seen and self._is_package(module):
            seen.add((module, name))
            source = self._read(module)
            found = [reference for local, reference in source.imports if local == name]
            if found and found[-1] not in seen:
                module, name = found[-1]
            elif name in source.defined:
                break
            elif starred := self._starred(source, name):
                module = starred
            elif self._file(f'{module}.{name}'):
                return f'{module}.{name}', None
        return module, name

    def _starred(self, source: Source, name: str) -> str | None:
        """The module that a package takes a name from without naming it."""
        modules = [module for local, (module, _) in source.imports if local == '*']
        for module in filter(self._file, modules):
            if name in self._read(module).defined:
                return module
        return None

    def _is_package(self, module: str) -> bool:
        path = self._file(module)
        return path is not None and path.name == '__init__.py'

    def _read(self, module: str) -> Source:
        return _read(self._file(module), module)

    def _file(self, module: str) -> Path | None:
        """The file of a module; None if it is none of the packages that are read."""
        if module not in self.files:
            self.files[module] = self._find(module)
        return self.files[module]

    def _find(self, module: str) -> Path | None:
        if not self._own(module):
            return None
        top, *others = module.split('.')
        place = self.places[top].joinpath(*others)
        files = (place / '__init__.py', place.with_name(f'{place.name}.py'))
        return next(filter(Path.is_file, files), None)

    def _own(self, module: str) -> bool:
        top = module.split('.')[0]
        if top and top not in self.places and self.folders:
            place = _locate(top)
            if place and place.parent in self.folders:
                self.places[top] = place
        return top in self.places


@functools.cache
def _announced() -> tuple[str, ...]:
    """Modules of the installed packages that bring methods."""
    return tuple(sorted({e.module for e in entry_points(group=ENTRY_POINTS)}))


def _locate(top: str) -> Path | None:
    """Folder of a package, or file of a module without its ending."""
    try:
        spec = importlib.util.find_spec(top)
    except ValueError:  # __main__
        return None
    if spec and spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations)))
    if spec and spec.has_location and spec.origin.endswith('.py'):
        return Path(spec.origin).with_suffix('')
    return None


def _strings(value: Any) -> Iterator[str]:
    """Every string in nested values."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if key != 'custom_imports':
                yield from _strings(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _strings(item)


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


def changed_file(digests: Mapping[str, str]) -> str | None:
    """A file whose code no longer has its digest, None if there is none.

    Args:
        digests: As :meth:`SourceTree.digests` gave them.

    Raises:
        InputError: A file is no Python.
    """
    for path, digest in digests.items():
        if not Path(path).exists() or _read(Path(path), '').digest != digest:
            return path
    return None


def _read(path: Path, module: str) -> Source:
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
    if isinstance(statement, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        yield statement.name
    elif not isinstance(statement, ast.Import | ast.ImportFrom):
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
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
