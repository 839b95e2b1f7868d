"""Find the source files that a run depends on, without importing them.

What a config names by ``type`` is looked up in the files that register it. Imports are
followed from there within the packages that are read: this one and those of external
methods. A name that a package's ``__init__`` re-exports is followed to the file that
defines it, so that adding a method does not change the config hash of the others.
"""

from __future__ import annotations

import functools
import importlib.util
import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from mmengine.runner import Runner

from cfcontra_mm.old_names import present_module, present_name
from cfcontra_mm.plugins import GROUP

from .source_file import Reference, Source, read_source

PACKAGE = 'cfcontra_mm'
LIBRARIES = {'mmcv', 'mmdet', 'mmengine', 'mmpretrain', 'mmseg', 'timm', 'torch'}
"""Never read, even if a config imports them by name."""

INSTALLED = {'site-packages', 'dist-packages'}
"""Folders whose modules are unrelated to each other."""

TRAINING = (
    'cfcontra_mm.command_line',
    'cfcontra_mm.engine.launch',
    'cfcontra_mm.engine.step',
)
"""Modules that train and test any config."""

TRANSLATION = (
    'cfcontra_mm.command_line',
    'cfcontra_mm.engine.launch',
    'cfcontra_mm.translation.copy_dataset',
)
"""Modules that translate a data set into another style."""

OLD_NAMES = 'cfcontra_mm.old_names'

OWN = ('model', 'custom_hooks', 'optim_wrapper')
"""Settings that belong to the method of a run."""

RENDERER = ('cfcontra_mm.toystreets.write',)
"""Modules that write ToyStreets."""

USED = {
    *inspect.signature(Runner.__init__).parameters,
    *('model_wrapper_cfg', 'test_pipeline', 'tta_model', 'tta_pipeline'),
}
"""Settings of a config that a run reads; others are variables of the config files."""

# The dotted path of an object in a module.
DOTTED = re.compile(r'[^\W\d]\w*(\.[^\W\d]\w*)+')


class SourceTree:
    """The packages whose files are read, as they are now on disk.

    Args:
        imports: Modules that a config lists in ``custom_imports``.
    """

    def __init__(self, imports: Iterable[str] = ()) -> None:
        named = [PACKAGE, *_plugin_modules(), *imports]
        self.modules = [m for m in named if m.split('.')[0] not in LIBRARIES]
        places = {top: _locate(top) for top in {m.split('.')[0] for m in self.modules}}
        self.places = {top: place for top, place in places.items() if place}
        # A module outside any package belongs together with the modules beside it.
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
        """Return the digests of all files that a config and some modules depend on.

        Args:
            settings: Settings of the config.
            modules: Modules that run it.

        Returns:
            Digests by path.

        Raises:
            InputError: A file is not valid Python.
        """
        found: set[str] = set()
        todo = [*modules, *self._named(settings)]
        while todo:
            module = todo.pop()
            # Old names lead to what is read under the present ones.
            if module not in (*found, OLD_NAMES) and self._file(module):
                found.add(module)
                todo += self._needs(module)
        return {str(self._file(m)): self._read(m).digest for m in sorted(found)}

    def _named(self, settings: Mapping[str, Any]) -> Iterator[str]:
        """Yield the modules of everything that a string of the config names."""
        used = {key: value for key, value in settings.items() if key in USED}
        for text in set(strings(used)):
            # The name may have a scope as prefix: mmseg.SomeHook.
            yield from self.registered.get(text.split('.')[-1], ())
            if DOTTED.fullmatch(text) and self._is_read(text):
                yield self._resolve(*text.rsplit('.', 1))[0]

    @functools.cached_property
    def registered(self) -> dict[str, set[str]]:
        """Modules by the names that they register."""
        found: dict[str, set[str]] = {}
        for module in self._importable():
            for name in self._read(module).registered:
                found.setdefault(name, set()).add(module)
        return found

    def _importable(self) -> set[str]:
        """Return all modules that are imported, directly or not, by those named."""
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
        """Return the modules that define what a module imports."""
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
        """Yield the modules that define a name, or what is used of a package."""
        module, name = self._resolve(*reference)
        if name or not self._is_package(module):
            yield module
            return
        for first, *others in filter(None, uses):
            yield from self._defining((module, first), [tuple(others)])
        if () in uses:  # the package itself is passed on
            for _, inner in self._read(module).imports:
                yield self._resolve(*inner)[0]

    def _resolve(self, module: str, name: str | None) -> Reference:
        """Return where a name of a module is defined; None as name is the module."""
        if moved := present_name(module, name):
            module, _, name = moved.rpartition('.')
        seen: set[Reference] = {(module, None)}
        while (module, name) not in seen and self._is_package(module):
            seen.add((module, name))
            source = self._read(module)
            found = [reference for local, reference in source.imports if local == name]
            if found and found[-1] not in seen:
                module, name = found[-1]
            elif name in source.defined:
                break
            elif starred := self._star_import(source, name):
                module = starred
            elif self._file(f'{module}.{name}'):
                return f'{module}.{name}', None
        return module, name

    def _star_import(self, source: Source, name: str | None) -> str | None:
        """Return the module from which a package imports a name by ``*``."""
        modules = [module for local, (module, _) in source.imports if local == '*']
        for module in filter(self._file, modules):
            if name in self._read(module).defined:
                return module
        return None

    def _is_package(self, module: str) -> bool:
        path = self._file(module)
        return path is not None and path.name == '__init__.py'

    def _read(self, module: str) -> Source:
        path = self._file(module)
        assert path, f'{module} is not among the packages that are read'
        return read_source(path, module)

    def _file(self, module: str) -> Path | None:
        """Return the file of a module; None outside the packages that are read."""
        if module not in self.files:
            self.files[module] = self._find(module)
        return self.files[module]

    def _find(self, module: str) -> Path | None:
        if not self._is_read(module):
            return None
        top, *others = (present_module(module) or module).split('.')
        place = self.places[top].joinpath(*others)
        files = (place / '__init__.py', place.with_name(f'{place.name}.py'))
        return next(filter(Path.is_file, files), None)

    def _is_read(self, module: str) -> bool:
        """Tell whether a module belongs to the packages that are read."""
        top = module.split('.')[0]
        if top and top not in self.places and self.folders:
            place = _locate(top)
            if place and place.parent in self.folders:
                self.places[top] = place
        return top in self.places


@functools.cache
def _plugin_modules() -> tuple[str, ...]:
    """Return the modules of the installed packages that provide methods."""
    return tuple(sorted({e.module for e in entry_points(group=GROUP)}))


def _locate(top: str) -> Path | None:
    """Return the folder of a package, or the file of a module without its suffix."""
    try:
        spec = importlib.util.find_spec(top)
    except ValueError:  # __main__
        return None
    if spec and spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations)))
    if spec and spec.origin and spec.origin.endswith('.py'):
        return Path(spec.origin).with_suffix('')
    return None


def strings(value: Any) -> Iterator[str]:
    """Yield every string in nested values, except in ``custom_imports``."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if key != 'custom_imports':
                yield from strings(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from strings(item)


def shared_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings whose code all rows of a table must share.

    The source domain is left out, as a row may train on another one: a translated copy,
    or, for an oracle, the labelled target.
    """
    shared = {key: value for key, value in settings.items() if key not in OWN}
    loader = dict(shared.get('train_dataloader') or {})
    dataset = dict(loader.get('dataset') or {})
    dataset.pop('source', None)
    return shared | {'train_dataloader': loader | {'dataset': dataset}}


def changed_file(digests: Mapping[str, str]) -> str | None:
    """Return the first file whose code no longer has its digest, None if there is none.

    Args:
        digests: Digests by path, from :meth:`SourceTree.digests`.

    Raises:
        InputError: A file is not valid Python.
    """
    for path, digest in digests.items():
        if not Path(path).exists() or read_source(Path(path)).digest != digest:
            return path
    return None
