"""Configs: over another network or pair, and read without running code."""

from .combination import run_name
from .reading import open_config, override

__all__ = ['open_config', 'override', 'run_name']
