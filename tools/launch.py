"""Start several processes of a tool; dist_*.sh become this script.

usage: launch.py NUM_PROCESSES SCRIPT [arguments of SCRIPT]

It is torchrun, but for four things: the processes of one machine meet on its loopback
alone, at a free port unless PORT is set; they die with this process; a signal that ends
it reaches them first; and it ends with their status, without a traceback of its own.
Several machines: set NNODES, NODE_RANK, MASTER_ADDR and PORT.
"""

import contextlib
import importlib.util
import logging
import os
import signal
import socket
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

from torch.distributed import DistError, TCPStore
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.elastic.rendezvous import (
    RendezvousInfo,
    rendezvous_handler_registry,
)
from torch.distributed.elastic.rendezvous.static_tcp_rendezvous import (
    StaticTCPRendezvous,
)
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

LOOPBACK = '127.0.0.1'
ENDING = ('SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT')
# What a training may need to end the iteration in hand and to save a checkpoint.
GRACE_SECONDS = 30
JOIN_SECONDS = 900


class LoopbackRendezvous(StaticTCPRendezvous):
    """The meeting of the processes of one machine, out of reach of any other.

    Args:
        listener: Socket that listens on the loopback.
        run_id: Name of the meeting.
    """

    def __init__(self, listener: socket.socket, run_id: str) -> None:
        host, port = listener.getsockname()
        super().__init__(host, port, 0, 1, run_id, JOIN_SECONDS)
        self.listener = listener

    def get_backend(self) -> str:
        """Return the name under which it is registered."""
        return 'loopback'

    def next_rendezvous(self) -> RendezvousInfo:
        """Serve the store on the socket; left to itself, it listens on all networks."""
        self._store = self._store or TCPStore(
            self.master_addr,
            self.master_port,
            is_master=True,
            wait_for_workers=False,
            master_listen_fd=self.listener.detach(),
        )
        return super().next_rendezvous()


def refuse(problem: str) -> None:
    print(f'error: {problem}', file=sys.stderr, flush=True)
    sys.exit(2)


def number(name: str, default: int, low: int, high: int) -> int:
    """Read a number from an environment variable that may be unset or empty."""
    text = os.environ.get(name) or str(default)
    if not (text.isdecimal() and low <= int(text) <= high):
        refuse(f'{name} is {text!r}; unset it or give a number from {low} to {high}')
    return int(text)


def meet_on_loopback(run_id: str) -> dict:
    """Return the rendezvous of one machine, at PORT or a free port."""
    port = number('PORT', 0, 0, 65535)
    try:
        listener = socket.create_server((LOOPBACK, port))
    except OSError as error:
        reason = os.strerror(error.errno)
        refuse(f'PORT is {port}: {reason}; unset it to use a free port, or change it')
    # The connections among the processes, too.
    for library in ('GLOO', 'NCCL'):
        os.environ.setdefault(f'{library}_SOCKET_IFNAME', 'lo')
    rendezvous_handler_registry.register(
        'loopback', lambda parameters: LoopbackRendezvous(listener, run_id)
    )
    return dict(rdzv_backend='loopback', rdzv_endpoint=LOOPBACK)


def meet_on_network(nodes: int) -> dict:
    """Return the rendezvous of several machines, at the first one's address."""
    rank, port = number('NODE_RANK', 0, 0, nodes - 1), number('PORT', 29500, 1, 65535)
    host = os.environ.get('MASTER_ADDR')
    if not host:
        refuse(f'NNODES is {nodes}, but MASTER_ADDR is not set; set it to node 0')
    return dict(
        rdzv_backend='static',
        rdzv_endpoint=f'{host}:{port}',
        rdzv_configs=dict(rank=rank, timeout=JOIN_SECONDS),
    )


def heeded() -> list[str]:
    """Return the signals that end this process: nohup lets it ignore one."""
    return [s for s in ENDING if signal.getsignal(getattr(signal, s)) != signal.SIG_IGN]


@contextlib.contextmanager
def configuration(num_processes: int) -> Iterator[LaunchConfig]:
    nodes, run_id = number('NNODES', 1, 1, 10_000), uuid.uuid4().hex
    meeting = meet_on_network(nodes) if nodes > 1 else meet_on_loopback(run_id)
    # On several machines, all must give the meeting the same name.
    with tempfile.TemporaryDirectory(prefix='launch_') as logs:
        yield LaunchConfig(
            min_nodes=nodes,
            max_nodes=nodes,
            nproc_per_node=num_processes,
            logs_specs=DefaultLogsSpecs(log_dir=logs),
            run_id=run_id if nodes == 1 else 'none',
            max_restarts=0,
            signals_to_handle=','.join(heeded()),
            shutdown_timeout=GRACE_SECONDS,
            **meeting,
        )


def die_with_parent() -> list[str]:
    """Return the prefix of a command that is not to outlive this process."""
    package = importlib.util.find_spec('cfcontra_mm')  # without importing it
    if package is None or package.origin is None:
        refuse(f'{sys.executable} has no cfcontra_mm; set PYTHON to one that has it')
    script = Path(package.origin).with_name('die_with_parent.py')
    return ['-I', str(script), str(os.getpid()), sys.executable]


def status_of(failure: ChildFailedError) -> int:
    """Return the exit status for the first process that failed; name its signal."""
    rank, first = failure.get_first_failure()
    if first.exitcode >= 0:
        return first.exitcode
    name = signal.Signals(-first.exitcode).name
    print(f'error: process {rank} was ended by {name}', file=sys.stderr, flush=True)
    return 128 - first.exitcode


def main() -> int:
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    # The processes say what is wrong; torchrun would repeat it in forty lines.
    logging.disable(logging.CRITICAL)
    num_processes, *command = sys.argv[1:]
    arguments = [*die_with_parent(), '-u', *command]
    with configuration(int(num_processes)) as config:
        try:
            elastic_launch(config, sys.executable)(*arguments)
        except ChildFailedError as failure:
            return status_of(failure)
        except SignalException as stop:
            return 128 + stop.sigval
        except DistError as error:
            problem = str(error).splitlines()[0]
            refuse(f'{config.rdzv_endpoint}: {problem}; check MASTER_ADDR and PORT')
    return 0


if __name__ == '__main__':
    sys.exit(main())
