import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from processes import listening, open_to_the_network, wait_until

from cfcontra_mm.engine import processes
from cfcontra_mm.errors import InputError

ROOT = Path(__file__).parents[2]
MEET = """
import sys, time
from pathlib import Path

import torch
from mmengine.config import Config

from cfcontra_mm.engine.processes import init_distributed, place_of

init_distributed(Config(), sys.argv[1], None)
total = torch.ones(1)
torch.distributed.all_reduce(total)
assert int(total) == place_of(sys.argv[1])[1] == 2
out = Path(sys.argv[2])
(out / f'met.{torch.distributed.get_rank()}').touch()
while not (out / 'end').exists():
    time.sleep(0.05)
torch.distributed.destroy_process_group()
"""


def test_more_processes_than_gpus(monkeypatch):
    monkeypatch.setattr('torch.cuda.is_available', lambda: True)
    monkeypatch.setattr('torch.cuda.device_count', lambda: 1)
    monkeypatch.setenv('LOCAL_WORLD_SIZE', '2')
    with pytest.raises(InputError, match='2 processes on 1 GPUs'):
        processes.init_distributed(Config(), 'pytorch', None)


@pytest.mark.parametrize('launcher', ['slurm', 'mpi'])
def test_ranks_of_other_launchers(monkeypatch, launcher):
    started = []
    monkeypatch.setattr('torch.cuda.is_available', lambda: False)
    monkeypatch.setattr(torch.distributed, 'init_process_group', started.append)
    monkeypatch.setattr('subprocess.check_output', lambda *a, **k: 'node7\nnode8\n')
    monkeypatch.setenv('SLURM_NODELIST', 'node[7-8]')
    for name in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_PORT', 'MASTER_ADDR'):
        monkeypatch.setenv(name, '')
        monkeypatch.delenv(name)
    for number, name in enumerate(processes.RANK_VARIABLES[launcher], start=3):
        monkeypatch.setenv(name, str(number))
    monkeypatch.setenv('SLURM_NNODES', '2')
    processes.init_distributed(Config(), launcher, None)
    environment = [os.environ.get(n) for n in ('RANK', 'WORLD_SIZE')]
    assert environment == ['3', '4']
    assert os.environ['LOCAL_RANK'] == '5'
    assert os.environ['MASTER_PORT'] == '29500'
    if launcher == 'slurm':
        assert os.environ['MASTER_ADDR'] == 'node7'
    assert started == ['gloo']


def variables(launcher, rank, port):
    """What Slurm or MPI sets for one of two processes on a machine."""
    names = processes.RANK_VARIABLES[launcher]
    ranks = dict(zip(names, map(str, (rank, 2, rank)), strict=True))
    job = dict(SLURM_NNODES='1', SLURM_JOB_ID=str(port), OMPI_COMM_WORLD_LOCAL_SIZE='2')
    kept = {k: v for k, v in os.environ.items() if not k.startswith(('SLURM', 'OMPI'))}
    return kept | ranks | job | dict(CUDA_VISIBLE_DEVICES='', PYTHONPATH=str(ROOT))


@pytest.mark.slow
@pytest.mark.parametrize('launcher', ['slurm', 'mpi'])
def test_processes_of_one_machine_meet_out_of_reach(launcher, tmp_path):
    words = [sys.executable, '-c', MEET, launcher, str(tmp_path)]
    ranks = [
        subprocess.Popen(words, env=variables(launcher, rank, os.getpid()))
        for rank in range(2)
    ]
    try:
        wait_until(lambda: len(list(tmp_path.glob('met.*'))) == 2)
        pids = [rank.pid for rank in ranks]
        assert listening(pids)
        assert open_to_the_network(pids) == set()
        (tmp_path / 'end').touch()
        assert [rank.wait(60) for rank in ranks] == [0, 0]
    finally:
        for rank in ranks:
            rank.kill()


def test_two_jobs_of_one_machine_have_ports_of_their_own(monkeypatch):
    ports = set()
    for job, step in ((1, 0), (1, 1), (2, 0)):
        monkeypatch.setenv('SLURM_JOB_ID', str(job))
        monkeypatch.setenv('SLURM_STEP_ID', str(step))
        monkeypatch.delenv('MASTER_PORT', raising=False)
        ports.add(processes._port())
    assert len(ports) == 3
    monkeypatch.setenv('MASTER_PORT', '1234')
    assert processes._port() == 1234
