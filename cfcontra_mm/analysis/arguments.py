"""What the command lines of the analysis share."""

from __future__ import annotations

import argparse
from pathlib import Path

from cfcontra_mm.engine.launch import add_network_arguments, add_options_argument


def add_config_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the config of a run and the options that change its settings."""
    parser.add_argument('config', help='for example configs/METHOD/CONFIG.py')
    add_network_arguments(parser)
    add_options_argument(parser)


def named_path(text: str) -> tuple[str, Path]:
    """Parse ``NAME=PATH``."""
    name, equals, path = text.partition('=')
    if not (name and equals and path):
        raise argparse.ArgumentTypeError(f'{text!r} is not NAME=PATH')
    return name, Path(path)


def positive(text: str) -> int:
    """Parse a number of at least 1."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f'{text!r} is not a number of at least 1')
    return int(text)
