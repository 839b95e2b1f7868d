"""What the command lines share: errors in one line, and options."""

from __future__ import annotations

import argparse
import functools
import hashlib
import os
import re
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn, TextIO

from mmengine.config import DictAction

from cfcontra_mm.errors import InputError, Stopped

LAUNCHERS = ('none', 'pytorch', 'slurm', 'mpi')

USER_ERRORS = re.compile(
    'is not in the .* registry|unexpected keyword argument|missing .* required'
)
"""What MMEngine's registries say about a mistake in a config."""


def command_line(main: Callable[[], int | None]) -> Callable[[], None]:
    """Decorate a tool's ``main``: turn a user's error into one line, exit status 2.

    After a signal the status is 128 + its number.

    Args:
        main: Runs the tool; returns its exit status, or ``None`` for 0.
    """

    @functools.wraps(main)
    def run() -> None:
        warnings.showwarning = _show_warning
        try:
            status = main()
        except InputError as error:
            problem = _one_line(error)
        except (KeyError, TypeError) as error:
            found = _config_problem(error)
            if found is None:
                raise
            problem = found
        except Stopped as stop:
            _stop(stop.number, str(stop))
        except KeyboardInterrupt:
            _stop(signal.SIGINT, 'stopped')
        else:
            _leave_group()
            if status:
                sys.exit(status)
            return
        _say(f'error: {problem}')
        _leave_group()
        sys.exit(2)

    return run


def _stop(number: int, message: str) -> NoReturn:
    """Exit with the status of a process that a signal ended."""
    _say(message)
    _leave_group()
    sys.exit(128 + number)


def _say(line: str) -> None:
    """Print a line to stderr; of several ranks with the same line, only the first."""
    if folder := os.environ.get('TORCHELASTIC_ERROR_FILE'):
        # torchrun's own folder of these ranks: .../LOCAL_RANK/error.json
        said = Path(folder).parents[1] / hashlib.sha256(line.encode()).hexdigest()
        try:
            said.touch(exist_ok=False)
        except FileExistsError:
            return
        except OSError:
            pass  # rather twice than not at all
    # An unfinished progress line may come before.
    print(f'\n{line}', file=sys.stderr, flush=True)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print a warning in one line, without the code that it comes from."""
    print(f'warning: {message}', file=sys.stderr, flush=True)


def _leave_group() -> None:
    """Leave the process group: a process that ends before gloo's threads may abort."""
    distributed = sys.modules.get('torch.distributed')
    if distributed and distributed.is_available() and distributed.is_initialized():
        distributed.destroy_process_group()


def _one_line(error: InputError) -> str:
    """Return the message; a data worker puts a traceback before it."""
    return str(error).strip().splitlines()[-1].split('InputError: ')[-1]


def _config_problem(error: Exception) -> str | None:
    frames = traceback.extract_tb(error.__traceback__)
    built = any(frame.name == 'build_from_cfg' for frame in frames)
    message = str(error.args[0]) if error.args else ''
    if not built or not USER_ERRORS.search(message):
        return None
    return f'config: {message.splitlines()[0].split(". Please check")[0]}'


class CfgOptions(DictAction):
    """MMEngine's action for ``KEY=VALUE``, which refuses anything else."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Sequence[str],
        option_string: str | None = None,
    ) -> None:
        """Parse the settings."""
        for value in values:
            if '=' not in value:
                parser.error(f'{option_string}: {value!r} is not KEY=VALUE')
        super().__call__(parser, namespace, values, option_string)


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that training and testing share."""
    parser.add_argument('--work-dir', help='default: work_dirs/METHOD/CONFIG')
    add_network_arguments(parser)
    add_options_argument(parser)
    add_trust_argument(parser)
    add_launcher_arguments(parser)


def add_config_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the config of a run and the options that change its settings."""
    parser.add_argument('config', help='for example configs/METHOD/CONFIG.py')
    add_network_arguments(parser)
    add_options_argument(parser)


def add_network_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that replace the network or the pair of a config or a study."""
    for kind in ('network', 'pair'):
        parser.add_argument(
            f'--{kind}',
            metavar='NAME',
            help=f'another {kind}: a name from configs/_base_/{kind}s, or a file',
        )


def add_options_argument(
    parser: argparse.ArgumentParser,
    flag: str = '--cfg-options',
    what: str = 'override settings, for example train_cfg.max_iters=100',
) -> None:
    """Add an option that takes ``KEY=VALUE``, by default for settings of the config."""
    parser.add_argument(
        flag, nargs='+', action=CfgOptions, default={}, metavar='KEY=VALUE', help=what
    )


def add_trust_argument(parser: argparse.ArgumentParser) -> None:
    """Add the option that lets a checkpoint hold more than weights."""
    parser.add_argument(
        '--trust-checkpoint',
        action='store_true',
        help='also read a checkpoint that holds more than weights: it can run any code',
    )


def add_launcher_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how the processes are launched."""
    parser.add_argument('--launcher', choices=LAUNCHERS, default='none')
    # torch.distributed.launch, which mim starts, passes it.
    parser.add_argument('--local-rank', '--local_rank', help=argparse.SUPPRESS)


def named_path(text: str) -> tuple[str, Path]:
    """Parse ``NAME=PATH``."""
    name, equals, path = text.partition('=')
    if not (name and equals and path):
        raise argparse.ArgumentTypeError(f'{text!r} is not NAME=PATH')
    return name, Path(path)


def positive(text: str) -> int:
    """Parse a positive integer."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f'{text!r} is not a positive integer')
    return int(text)
