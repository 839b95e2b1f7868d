"""Reading configs, also with another network or another pair of domains."""

from .combination import run_name
from .reading import current_path, in_checkout, open_config, refuse_study

__all__ = ['current_path', 'in_checkout', 'open_config', 'refuse_study', 'run_name']
