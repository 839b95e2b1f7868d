"""Test cases: each method on each tiny network."""

from __future__ import annotations

import copy
import importlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmseg.registry import MODELS

import cfcontra_mm
from cfcontra_mm.config import open_config
from cfcontra_mm.config.parts import NETWORK_PARTS
from cfcontra_mm.errors import InputError
from cfcontra_mm.methods import UDASegmentor

SELECTION = 'CFCONTRA_MM_CONTRACT'
"""Environment variable of the module and the config, which pytest's workers read."""

NETWORKS = Path(__file__).parent / 'networks'
CONFIG = 'deeplabv2_r18_toystreets.py'


def configs_folder() -> Path:
    """Return the folder of configs, of the checkout or of the installed package.

    Raises:
        InputError: The package was installed without configs.
    """
    package = Path(cfcontra_mm.__file__).parent
    for folder in (package.parent / 'configs', package / '.mim' / 'configs'):
        if (folder / '_base_').is_dir():
            return folder
    raise InputError(f'{package}: no configs found; install the package from a wheel')


@dataclass(frozen=True)
class Case:
    """A method on a network.

    Args:
        method: Name of the method in mmseg's registry.
        network: Name of a file in ``NETWORKS``.
        config: Config with the settings of the method; ``None`` for the defaults of
            its constructor.
        modules: Modules to import, which register the method.
    """

    method: str
    network: str
    config: str | None = None
    modules: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f'{self.method}-{self.network}'

    def load(self) -> Config:
        """Return the config of the method on the network, with ToyStreets as data."""
        for module in self.modules:
            importlib.import_module(module)
        # The pair's own statistics, so that a resume restores both kinds.
        cfg = open_config(configs_folder() / 'adabn' / CONFIG)
        network = open_config(NETWORKS / f'{self.network}.py').model
        own = open_config(self.config) if self.config else Config(dict(model={}))
        settings = {k: v for k, v in own.model.items() if k not in NETWORK_PARTS}
        cfg.model = copy.deepcopy(network.to_dict() | settings | dict(type=self.method))
        cfg.custom_hooks = own.get('custom_hooks', [])
        for key, value in own.get('optim_wrapper', {}).items():
            if key not in ('type', 'optimizer', 'paramwise_cfg'):
                cfg.optim_wrapper[key] = value
        return cfg


def registered_methods() -> dict[str, type[UDASegmentor]]:
    """Return every method in mmseg's registry, by its name."""
    return {
        name: kind
        for name, kind in MODELS.module_dict.items()
        if isinstance(kind, type) and issubclass(kind, UDASegmentor)
    }


def shipped_cases() -> list[Case]:
    """Return cases of this package's methods, with their settings for ToyStreets."""
    paths = sorted(configs_folder().glob(f'[!_]*/{CONFIG}'))
    configs: dict[str, str] = {}
    for path in paths:
        configs.setdefault(open_config(path).model.type, str(path))
    names = [
        name
        for name, kind in registered_methods().items()
        if kind.__module__.startswith('cfcontra_mm.')
    ]
    return [Case(n, net, configs.get(n)) for n in sorted(names) for net in networks()]


def cases_of(module: str, config: str | None) -> list[Case]:
    """Return cases of the methods that a module registers.

    Args:
        module: Dotted name of the module.
        config: Config with the settings of a method; only that method is tested.

    Raises:
        InputError: The module cannot be imported or registers no method, or the config
            is of another method.
    """
    try:
        importlib.import_module(module)
    except Exception as error:  # any error in the module
        reason = f'{type(error).__name__}: {error}'
        raise InputError(f'{module}: cannot be imported ({reason})') from error
    names = [
        name
        for name, kind in registered_methods().items()
        if f'{kind.__module__}.'.startswith(f'{module}.')
    ]
    if config:
        kind = open_config(config).get('model', {}).get('type')
        names = [name for name in names if name == kind]
    if not names:
        raise InputError(
            f'{module}: registers no method{f" of the type in {config}" * bool(config)}'
            '; decorate a subclass of UDASegmentor with @MODELS.register_module()'
        )
    cases = [Case(n, net, config, (module,)) for n in names for net in networks()]
    for case in cases:
        _check_settings(case)
    return cases


def _check_settings(case: Case) -> None:
    """Raise an ``InputError`` if the settings of a method are wrong or missing."""
    try:
        with DefaultScope.overwrite_default_scope('mmseg'):
            MODELS.build(case.load().model)
    except TypeError as error:
        if 'required' not in str(error) and 'unexpected' not in str(error):
            raise
        raise InputError(
            f'{case.method}: {str(error).splitlines()[0]}; pass its settings with '
            '--config FILE'
        ) from error


def selected_cases() -> list[Case]:
    """Return the cases of the selected module, by default the shipped ones."""
    selection = os.environ.get(SELECTION)
    return cases_of(*json.loads(selection)) if selection else shipped_cases()


def networks() -> list[str]:
    """Return the names of the tiny networks."""
    return sorted(path.stem for path in NETWORKS.glob('*.py'))
