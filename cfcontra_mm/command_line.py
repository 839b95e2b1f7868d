"""What the command lines share: errors in one line, and options."""

from __future__ import annotations

import argparse
import errno
import functools
import hashlib
import logging
import os
import re
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn, TextIO

from cfcontra_mm.errors import InputError, Stopped
from cfcontra_mm.values import Text

LAUNCHERS = ('none', 'pytorch', 'slurm', 'mpi')

RANK_VARIABLES = {
    'pytorch': ('RANK', 'WORLD_SIZE', 'LOCAL_RANK'),
    'slurm': ('SLURM_PROCID', 'SLURM_NTASKS', 'SLURM_LOCALID'),
    'mpi': (
        'OMPI_COMM_WORLD_RANK',
        'OMPI_COMM_WORLD_SIZE',
        'OMPI_COMM_WORLD_LOCAL_RANK',
    ),
}
"""Variables of a launcher for rank, number of processes and local rank."""

STARTED_BY = {
    'pytorch': 'tools/dist_train.sh or torchrun',
    'slurm': 'tools/slurm_train.sh or srun',
    'mpi': 'mpirun',
}
"""What starts each launcher."""

USER_ERRORS = re.compile(
    'is not in the .* registry|unexpected keyword argument|missing .* required'
)
"""What MMEngine's registries say about a mistake in a config."""

LIBRARIES = re.compile(r'[\\/](mmengine|mmcv|mmseg|torch|timm)[\\/]')
"""Code that is handed the settings of a config."""

TORCH_ERRORS = {
    'CUDA out of memory|CUDA error: out of memory': 'out of memory of the GPU; reduce '
    'train_dataloader.batch_size (and sampler.per_domain) or the size of the images',
    "DefaultCPUAllocator: can't allocate|Storage size calculation overflowed": 'out of '
    'memory; reduce train_dataloader.batch_size, the size of the images or that of the '
    'network',
    'PytorchStreamWriter failed': 'a file of weights could not be written, perhaps '
    'because the disk is full; free some space',
    'DataLoader worker .* (is killed|exited unexpectedly)': 'a data worker was killed, '
    'perhaps for lack of memory; reduce train_dataloader.num_workers',
}
"""What torch says where the machine is too small, and what to do."""

WAYS_OUT = {
    errno.ENOENT: 'check the path',
    errno.EACCES: 'change its permissions or choose another path',
    errno.EPERM: 'change its permissions or choose another path',
    errno.EROFS: 'choose another path',
    errno.EEXIST: 'remove it or choose another path',
    errno.ENOTDIR: 'choose another path',
    errno.EISDIR: 'give a file',
    errno.ENOSPC: 'free some space',
    errno.EDQUOT: 'free some space',
    errno.ENAMETOOLONG: 'choose a shorter name',
    errno.EMFILE: 'raise the limit of open files (ulimit -n) or use fewer workers',
}
"""What to do about an error of the operating system."""


_shown: set[str] = set()


def command_line(main: Callable[[], int | None]) -> Callable[[], None]:
    """Decorate a tool's ``main``: turn a user's error into one line, exit status 2.

    After a signal the status is 128 + its number.

    Args:
        main: Runs the tool; returns its exit status, or ``None`` for 0.
    """

    @functools.wraps(main)
    def run() -> None:
        warnings.showwarning = _show_warning
        # A log that cannot be written must not end a training, nor fill the screen.
        logging.raiseExceptions = False
        try:
            status = main()
            sys.stdout.flush()
        except Stopped as stop:
            _stop(stop.number, str(stop))
        except KeyboardInterrupt:
            _stop(signal.SIGINT, 'stopped')
        except Exception as error:
            problem = describe(error)
            if problem is None:
                raise
        else:
            _leave_group()
            if status:
                sys.exit(status)
            return
        _say(f'error: {problem}')
        _leave_group()
        sys.exit(2)

    return run


def describe(error: Exception) -> str | None:
    """Describe a user's error in one line; return ``None`` for any other."""
    explain = next((f for k, f in EXPLANATIONS.items() if isinstance(error, k)), None)
    problem = (explain or _config_problem)(error)
    return None if problem is None else escaped(problem)


def escaped(text: str) -> str:
    """Write what cannot be printed, as in a file's name, as Python's ``repr`` does."""
    return ''.join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _file_problem(error: OSError) -> str | None:
    if error.filename is None and (_stdout_fails() or _is_printing(error)):
        return f'standard output: {_reason(error)}; write to another place'
    if error.filename is None and error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return None
    name = '' if error.filename is None else f'{os.fsdecode(error.filename)}: '
    way_out = WAYS_OUT.get(error.errno or 0, 'check it')
    return f'{name}{_reason(error)}; {way_out}'


def _reason(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()


def _stdout_fails() -> bool:
    """Tell whether nothing can be written to standard output; if so, turn it off."""
    try:
        sys.stdout.flush()
    except OSError:
        # Or Python would try again at its end, and fail.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return True
    return False


def _is_printing(error: OSError) -> bool:
    """Tell whether an error is that of a ``print``, which without a buffer fails."""
    frames = traceback.extract_tb(error.__traceback__)
    return bool(frames) and 'print(' in (frames[-1].line or '')


def _missing_package(error: ImportError) -> str | None:
    package = (error.name or '').split('.')[0]
    if isinstance(error, ModuleNotFoundError) and package not in OWN:
        return f'{package}: is not installed; pip install {package}'
    message = str(error).splitlines()[0] if str(error) else ''
    return message if 'install' in message else None


def _torch_problem(error: RuntimeError) -> str | None:
    found = (line for said, line in TORCH_ERRORS.items() if re.search(said, str(error)))
    return next(found, None)


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
    """Print a warning in one line, once, without the code that it comes from."""
    text = escaped(str(message))
    if text not in _shown:
        _shown.add(text)
        print(f'warning: {text}', file=sys.stderr, flush=True)


def _leave_group() -> None:
    """Leave the process group: a process that ends before gloo's threads may abort."""
    distributed = sys.modules.get('torch.distributed')
    if distributed and distributed.is_available() and distributed.is_initialized():
        distributed.destroy_process_group()


def _one_line(error: InputError) -> str:
    """Return the message; a data worker puts a traceback before it."""
    return str(error).strip().split('InputError: ')[-1]


def _config_problem(error: Exception) -> str | None:
    """Describe what the class that a config names says about its settings."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    built = [f for f in frames if f.f_code.co_name == 'build_from_cfg']
    message = (str(error.args[0]) if error.args else '').split('. Please check')[0]
    if not built or not isinstance(
        error, KeyError | TypeError | ValueError | AssertionError
    ):
        return None
    if USER_ERRORS.search(message):
        return f'config: {message.splitlines()[0]}'
    if not LIBRARIES.search(frames[-1].f_code.co_filename):
        return None
    kind = built[-1].f_locals.get('obj_type')
    reason = message.splitlines()[0] if message else 'its settings do not fit together'
    where = f'{getattr(kind, "__name__", kind)}: ' if kind else ''
    return f'config: {where}{reason}'


OWN = ('cfcontra_mm', 'mmengine', 'mmcv', 'mmseg', 'torch', 'numpy')
"""Packages that are always there."""

EXPLANATIONS: dict[type[Exception], Callable[[Any], str | None]] = {
    InputError: _one_line,
    OSError: _file_problem,
    ImportError: _missing_package,
    RuntimeError: _torch_problem,
}
"""What describes an error, by its type."""


class ArgumentParser(argparse.ArgumentParser):
    """argparse's parser, whose errors are one line like any other."""

    def error(self, message: str) -> NoReturn:
        """Refuse the arguments.

        Raises:
            InputError: Always.
        """
        message = message.removeprefix('argument ')
        if unknown := re.match('unrecognized arguments: ([^ =]+)', message):
            near = get_close_matches(unknown[1], self._option_string_actions, 1)
            message += f'; did you mean {near[0]}?' if near else ''
        raise InputError(f'{message} (see --help)')


class CfgOptions(argparse.Action):
    """Collects ``KEY=VALUE``; whoever reads the config parses the values."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        """Collect the settings."""
        options = dict(getattr(namespace, self.dest))
        for text in values or ():
            key, equals, value = text.partition('=')
            if not (key and equals):
                parser.error(
                    f'{option_string}: {text!r} is not KEY=VALUE; put a value with '
                    'blanks in quotes'
                )
            options[key] = Text(value)
        setattr(namespace, self.dest, options)


class _Launcher(argparse.Action):
    """Refuses a launcher that has not started this process."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        """Set the launcher."""
        name = str(values)
        variable = RANK_VARIABLES.get(name, ('',))[0]
        if variable and variable not in os.environ:
            parser.error(
                f'--launcher {name}: {variable} is not set; start with '
                f'{STARTED_BY[name]}, or leave the option out'
            )
        setattr(namespace, self.dest, values)


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that training and testing share."""
    parser.add_argument(
        '--work-dir', type=output_folder, help='default: work_dirs/METHOD/CONFIG'
    )
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
    parser.add_argument(
        '--launcher', choices=LAUNCHERS, default='none', action=_Launcher
    )
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


def seed(text: str) -> int:
    """Parse the seed of a random number generator."""
    if not text.isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f'{text!r} is not an integer in 0-4294967295')
    return int(text)


def output_folder(text: str) -> str:
    """Parse the path of a folder to write to, which need not be there yet."""
    _check_folder(Path(text))
    return text


def output_file(text: str) -> Path:
    """Parse the path of a file to write."""
    path = Path(text)
    if path.is_dir():
        raise argparse.ArgumentTypeError(f'{path} is a folder; name a file in it')
    _check_folder(path.parent)
    return path


def _check_folder(folder: Path) -> None:
    """Refuse a folder that cannot be made or written to."""
    place = next(p for p in (folder, *folder.absolute().parents) if os.path.lexists(p))
    if not place.is_dir():
        raise argparse.ArgumentTypeError(f'{place} is no folder; choose another')
    if not os.access(place, os.W_OK | os.X_OK):
        raise argparse.ArgumentTypeError(f'{place} is read-only; choose another folder')
