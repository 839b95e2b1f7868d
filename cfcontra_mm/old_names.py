"""Import paths of version 0.1: they still work in this release, with a warning."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

PACKAGE = 'cfcontra_mm'

MODULES = {
    'analysis.arguments': 'command_line',
    'benchmark.cluster': 'benchmark.runs.cluster',
    'benchmark.curves': 'engine.training_log',
    'benchmark.feature_step': 'benchmark.runs.feature_step',
    'benchmark.fields': 'benchmark.study.fields',
    'benchmark.guards': 'benchmark.runs.guards',
    'benchmark.launch': 'benchmark.runs.pool',
    'benchmark.leash': 'benchmark.runs.die_with_parent',
    'benchmark.main': 'benchmark.runs.main',
    'benchmark.overview': 'benchmark.runs.overview',
    'benchmark.plan': 'benchmark.runs.plan',
    'benchmark.preparations': 'benchmark.runs.preparations',
    'benchmark.progress': 'benchmark.runs.progress',
    'benchmark.provenance': 'benchmark.results.provenance',
    'benchmark.ray_cluster': 'benchmark.runs.ray_cluster',
    'benchmark.selections': 'benchmark.tables.selections',
    'benchmark.sheet': 'analysis.sheet',
    'benchmark.slurm_cluster': 'benchmark.runs.slurm_cluster',
    'benchmark.source_file': 'benchmark.results.source_file',
    'benchmark.sources': 'benchmark.results.sources',
    'benchmark.statistics': 'benchmark.tables.statistics',
    'benchmark.steps': 'benchmark.runs.step',
    'benchmark.summary': 'benchmark.tables.summary',
    'combination': 'config.combination',
    'config_file': 'config',
    'datasets.stylize': 'translation.stylize',
    'datasets.toystreets': 'toystreets',
    'engine.style_sheet': 'translation.style_sheet',
    'engine.translate': 'translation.copy_dataset',
    'engine.translated_copy': 'translation.copy_folder',
    'engine.translation_plan': 'translation.copy_plan',
    'models.translation': 'translation',
    'models.translation.pictures': 'translation.images',
    'plain_yaml': 'config.plain_yaml',
    'report.pictures': 'report.images',
}
"""New names of modules by the old ones; submodules move with their package."""


def find_old_modules() -> None:
    """Make the modules importable by their old names."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


def old_attributes(module: str, moved: dict[str, str]) -> Callable[[str], Any]:
    """Make a module's ``__getattr__``, which finds names that were moved elsewhere.

    Args:
        module: Name of the module.
        moved: Present place of each name, ``package.module.name``, by its old name.
    """

    def find(name: str) -> Any:
        if name not in moved:
            raise AttributeError(f'module {module!r} has no attribute {name!r}')
        _warn(f'{module}.{name}', moved[name])
        place, _, new = moved[name].rpartition('.')
        return getattr(importlib.import_module(place), new)

    return find


def _warn(old: str, new: str) -> None:
    warnings.warn(f'{old} is now {new}', FutureWarning, stacklevel=3)


def _new_name(name: str) -> str | None:
    """Return the present name of a module, ``None`` if the given one is not old."""
    below = ''
    old = name.removeprefix(f'{PACKAGE}.')
    while old and old != name:
        if old in MODULES:
            return f'{PACKAGE}.{MODULES[old]}{below}'
        old, _, last = old.rpartition('.')
        below = f'.{last}{below}'
    return None


class _Finder(MetaPathFinder):
    """Finds modules by their old names.

    It must come first: the old name of a package leads to its files, from which other
    finders would load a submodule a second time.
    """

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        new = _new_name(fullname)
        return ModuleSpec(fullname, _Alias(fullname, new)) if new else None


class _Alias(Loader):
    """Gives the module itself under its old name: it must not register things twice."""

    def __init__(self, old: str, new: str) -> None:
        self.old, self.new = old, new

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        _warn(self.old, self.new)
        module = importlib.import_module(self.new)
        self.spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The import system has replaced it by that of the old name.
        module.__spec__ = self.spec
