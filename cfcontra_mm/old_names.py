"""Import paths of version 0.1: they still work in this release, with a warning."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib.abc import InspectLoader, Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import CodeType, ModuleType
from typing import Any, cast

PACKAGE = 'cfcontra_mm'

MODULES = {
    'analysis.arguments': 'command_line',
    'benchmark.cluster': 'benchmark.runs.cluster',
    'benchmark.curves': 'engine.training_log',
    'benchmark.feature_step': 'benchmark.runs.feature_step',
    'benchmark.fields': 'benchmark.study.fields',
    'benchmark.guards': 'benchmark.runs.guards',
    'benchmark.launch': 'benchmark.runs.pool',
    'benchmark.leash': 'die_with_parent',
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
    'benchmark.study_checks': 'benchmark.study.study',
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


NAMES = {
    'analysis.output': {'write_picture': 'analysis.output.write_image'},
    'benchmark.results': {
        'follow_folders': 'benchmark.results.results_file.follow_folders',
        'read_metrics': 'benchmark.results.records.read_metrics',
        'write_whole': 'files.write_whole',
    },
    'benchmark.runs.step': {
        'FEATURES': 'benchmark.results.records.FEATURES',
        'PREDICTIONS': 'benchmark.results.records.PREDICTIONS',
        'Run': 'benchmark.runs.run.Run',
    },
    'benchmark.study': {'read_config': 'config.open_config'},
    'benchmark.tables': {
        name: f'benchmark.tables.formats.{name}'
        for name in ('latex', 'latex_tabular', 'method_table', 'table_cells')
    },
    'datasets': {
        'AdaINStylize': 'translation.AdaINStylize',
        'describe_folders': 'datasets.check_data.check_data',
    },
    'engine': {'StyleSheetHook': 'translation.StyleSheetHook'},
    'engine.hooks': {'FiniteLossHook': 'engine.FiniteLossHook'},
    'engine.inference': {
        'find_pictures': 'engine.inference.find_images',
        'label_pictures': 'engine.inference.label_images',
    },
    'engine.launch': {
        name: f'command_line.{name}'
        for name in (
            *('add_network_arguments', 'add_options_argument', 'add_run_arguments'),
            *('add_trust_argument', 'command_line', 'CfgOptions', 'LAUNCHERS'),
        )
    },
    'losses': {'weight_divergence': 'losses.weight_similarity'},
    'losses.discrepancy': {
        'weight_divergence': 'losses.discrepancy.weight_similarity',
    },
    'methods.base': {'domain_inputs': 'methods.passes.domain_inputs'},
    'models': {
        name: f'translation.{name}'
        for name in ('AdaINStyleTransfer', 'StylePreprocessor', 'VGGEncoder')
    },
    'translation': {
        'picture_statistics': 'translation.image_statistics',
        'translate_picture': 'translation.translate_image',
    },
    'translation.copy_folder': {
        'check_out': 'translation.copy_folder.check_output_folder',
        'write_picture': 'translation.copy_folder.write_image',
    },
    'translation.images': {
        'picture_statistics': 'translation.images.image_statistics',
        'translate_picture': 'translation.images.translate_image',
    },
    'translation.stylize': {
        'naming': 'translation.images.prefix_errors',
        'read_picture': 'images.read_image',
    },
}
"""Where a name of a module is now, by the module's present name and the old name."""


def find_old_modules() -> None:
    """Make the modules importable by their old names."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


def old_attributes(module: str) -> Callable[[str], Any]:
    """Make the ``__getattr__`` of a module that names or modules have left.

    Args:
        module: The module.
    """

    def find(name: str) -> Any:
        if new := present_name(module, name):
            _warn(f'{module}.{name}', new)
            place, _, last = new.rpartition('.')
            return getattr(importlib.import_module(place), last)
        if present_module(f'{module}.{name}'):
            return importlib.import_module(f'{module}.{name}')
        raise AttributeError(f'module {module!r} has no attribute {name!r}')

    return find


def present_name(module: str, name: str | None) -> str | None:
    """Return where a name of a module is now, if it has left."""
    moved = NAMES.get(module.removeprefix(f'{PACKAGE}.'), {}).get(name or '')
    return moved and f'{PACKAGE}.{moved}'


def _warn(old: str, new: str) -> None:
    warnings.warn(f'{old} is now {new}', FutureWarning, stacklevel=3)


def present_module(name: str) -> str | None:
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
        new = present_module(fullname)
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
        # Its old names are found only where it is imported by its own old name.
        if not hasattr(module, '__getattr__'):
            module.__dict__['__getattr__'] = old_attributes(self.new)

    def get_code(self, fullname: str) -> CodeType | None:
        """Return the code of the module, for ``python -m``."""
        spec = importlib.util.find_spec(self.new)
        loader = cast(InspectLoader, spec and spec.loader)
        return loader.get_code(self.new)
