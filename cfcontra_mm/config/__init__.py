"""Configs, read through one door: over another network or pair, running no code."""

from .combination import run_name
from .reading import open_config

__all__ = ['open_config', 'run_name']
