"""The processes of one training: their ranks, and how they meet."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable

import torch
import torch.distributed as dist
from mmengine.config import Config
from mmengine.dist import (
    broadcast_object_list,
    init_dist,
    is_distributed,
    is_main_process,
)
from mmengine.utils.dl_utils import set_multi_processing
from torch.distributed import TCPStore

from cfcontra_mm.command_line import RANK_VARIABLES
from cfcontra_mm.errors import InputError

LOOPBACK = '127.0.0.1'
DEFAULT_PORT, PORTS = 29500, 20000


def place_of(launcher: str) -> tuple[int, int]:
    """Return the rank of this process and the number of all, before they meet.

    Args:
        launcher: One of ``LAUNCHERS``.
    """
    if launcher == 'none':
        return 0, 1
    rank, size, _ = RANK_VARIABLES[launcher]
    return int(os.environ[rank]), int(os.environ[size])


def init_distributed(cfg: Config, launcher: str, local_rank: str | None) -> None:
    """Prepare for several processes.

    On GPUs the ``Runner`` starts NCCL. It would select a GPU for gloo too; without GPUs
    the process group is therefore started here, and the ``Runner`` uses it. So are
    Slurm's and MPI's processes of one machine, which meet on its loopback.

    Args:
        cfg: Config whose ``launcher`` is set.
        launcher: One of ``LAUNCHERS``.
        local_rank: Rank of this process on its node, if the launcher passes it.

    Raises:
        InputError: There are fewer GPUs than processes, or the port is in use.
    """
    cfg.launcher = launcher
    os.environ.setdefault('LOCAL_RANK', local_rank or '0')
    if launcher == 'none':
        return
    on_gpu = torch.cuda.is_available()
    if on_gpu:
        _check_gpus()
    if on_one_machine(launcher):
        _meet_on_loopback(launcher, on_gpu)
    elif not on_gpu:
        if launcher != 'pytorch':
            _translate_ranks(launcher)
        dist.init_process_group('gloo')


def _check_gpus() -> None:
    processes, gpus = os.environ.get('LOCAL_WORLD_SIZE'), torch.cuda.device_count()
    if processes and int(processes) > gpus:
        raise InputError(f'{processes} processes on {gpus} GPUs; start {gpus}')


def init_workers(launcher: str, local_rank: str | None) -> None:
    """Let processes share work without a ``Runner``, each on its own GPU, if any.

    Args:
        launcher: One of ``LAUNCHERS``.
        local_rank: Rank of this process on its node, if the launcher passes it.

    Raises:
        InputError: There are fewer GPUs than processes, or the port is in use.
    """
    init_distributed(Config(), launcher, local_rank)
    if launcher != 'none' and not is_distributed():
        # No tensor is exchanged, so NCCL is not needed.
        init_dist(launcher, backend='gloo')


def start_group(cfg: Config) -> None:
    """Let the processes meet as the ``Runner`` would, but before it is built.

    Args:
        cfg: Config of the run.
    """
    if cfg.get('launcher', 'none') != 'none' and not is_distributed():
        environment = cfg.get('env_cfg', {})
        set_multi_processing(**environment.get('mp_cfg', {}), distributed=True)
        init_dist(cfg.launcher, **environment.get('dist_cfg', {}))


def on_first_rank(work: Callable[[], None]) -> None:
    """Run something on the first rank; all ranks end alike if it refuses the input.

    Args:
        work: What to run.

    Raises:
        InputError: It raised one on the first rank.
    """
    problem = ['']
    if is_main_process():
        try:
            work()
        except InputError as error:
            problem[0] = str(error)
    broadcast_object_list(problem)
    if problem[0]:
        raise InputError(problem[0])


def on_one_machine(launcher: str) -> bool:
    """Tell whether Slurm or MPI has started all processes on one machine."""
    find = os.environ.get
    if launcher == 'slurm':
        return '1' in (find('SLURM_STEP_NUM_NODES'), find('SLURM_NNODES'))
    size = find('OMPI_COMM_WORLD_SIZE')
    return launcher == 'mpi' and size == find('OMPI_COMM_WORLD_LOCAL_SIZE')


def _meet_on_loopback(launcher: str, on_gpu: bool) -> None:
    """Start the process group; left to itself, torch listens on all networks."""
    for library in ('GLOO', 'NCCL'):
        os.environ.setdefault(f'{library}_SOCKET_IFNAME', 'lo')
    rank, size = place_of(launcher)
    if on_gpu:
        torch.cuda.set_device(int(os.environ[RANK_VARIABLES[launcher][2]]))
    store = _store(rank, size)
    backend = 'nccl' if on_gpu else 'gloo'
    dist.init_process_group(backend, store=store, rank=rank, world_size=size)


def _store(rank: int, size: int) -> TCPStore:
    port = _port()
    if rank > 0:
        return TCPStore(LOOPBACK, port, size, is_master=False)
    try:
        listener = socket.create_server((LOOPBACK, port))
    except OSError as error:
        raise InputError(
            f'port {port} is in use; set MASTER_PORT to a free one'
        ) from error
    return TCPStore(
        LOOPBACK,
        port,
        size,
        is_master=True,
        wait_for_workers=False,
        master_listen_fd=listener.detach(),
    )


def _port() -> int:
    """Return MASTER_PORT, or else one that differs between Slurm's jobs and steps."""
    if port := os.environ.get('MASTER_PORT'):
        return int(port)
    if 'SLURM_JOB_ID' not in os.environ:
        return DEFAULT_PORT
    job = int(os.environ['SLURM_JOB_ID'])
    return 10000 + (31 * job + int(os.environ.get('SLURM_STEP_ID', 0))) % PORTS


def _translate_ranks(launcher: str) -> None:
    """Set the variables that torch reads, given those of the launcher."""
    names = RANK_VARIABLES['pytorch']
    for name, theirs in zip(names, RANK_VARIABLES[launcher], strict=True):
        os.environ[name] = os.environ[theirs]
    os.environ.setdefault('MASTER_PORT', str(DEFAULT_PORT))
    if launcher == 'slurm' and 'MASTER_ADDR' not in os.environ:
        hosts = subprocess.check_output(
            ['scontrol', 'show', 'hostname', os.environ['SLURM_NODELIST']], text=True
        )
        os.environ['MASTER_ADDR'] = hosts.split()[0]
