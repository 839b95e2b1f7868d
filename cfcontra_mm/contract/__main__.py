"""Run the contract tests on the methods that a module registers."""

import argparse
import json
import os
import sys
from pathlib import Path

from cfcontra_mm.command_line import command_line
from cfcontra_mm.errors import InputError


@command_line
def main() -> int:
    """Run pytest; return its exit status, or 2 for wrong input."""
    parser = argparse.ArgumentParser(
        prog='python -m cfcontra_mm.contract',
        description=__doc__,
        epilog='All other options are passed to pytest, for example -x or -k ranks.',
    )
    parser.add_argument(
        'module', help='module to import, for example my_package.my_method'
    )
    parser.add_argument(
        '--config',
        help="config of the method (default: the constructor's default settings)",
    )
    args, options = parser.parse_known_args()
    sys.path.insert(0, os.getcwd())
    return _run(args.module, args.config, options)


def _run(module: str, config: str | None, options: list[str]) -> int:
    try:
        import pytest
    except ImportError as error:
        raise InputError(
            "pytest is not installed; pip install 'cfcontra-mm[contract]'"
        ) from error
    from .cases import SELECTION, cases_of

    cases_of(module, config)
    config = config and str(Path(config).resolve())
    os.environ[SELECTION] = json.dumps([module, config])
    folder = Path(__file__).parent
    # Use neither the settings nor the cache of the project in the current folder.
    own = ['-c', os.devnull, '--rootdir', str(folder), '-p', 'no:cacheprovider']
    return int(pytest.main([str(folder), *own, '--show-capture=no', *options]))


if __name__ == '__main__':
    main()
