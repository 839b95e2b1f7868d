"""Methods of other packages."""

from __future__ import annotations

import importlib
import warnings
from importlib.metadata import entry_points

GROUP = 'cfcontra_mm.methods'


def load_plugins() -> None:
    """Import the modules that installed packages name in the entry-point group.

    Each registers its methods. A module that cannot be imported is skipped with a
    warning: all other methods work without it.
    """
    for entry in entry_points(group=GROUP):
        try:
            # Not the attribute: the package may be importing this one, half-way.
            importlib.import_module(entry.module)
        except Exception as error:
            name = entry.dist.name if entry.dist else entry.name
            warnings.warn(
                f'{name}: its methods ({entry.value}) are skipped, since they cannot '
                f'be imported ({type(error).__name__}: {error})',
                stacklevel=2,
            )
