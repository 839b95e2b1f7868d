"""Reading configs, also with another network or another pair of domains."""

from .combination import run_name
from .reading import current_path, open_config

__all__ = ['current_path', 'open_config', 'run_name']
