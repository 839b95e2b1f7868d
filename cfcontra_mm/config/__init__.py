"""Reading configs, also with another network or another pair of domains."""

from .combination import run_name
from .reading import open_config

__all__ = ['open_config', 'run_name']
