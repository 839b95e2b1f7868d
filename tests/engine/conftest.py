import ddp_worker
import pytest
import torch

from cfcontra_mm.contract.jobs import RANKS, run_jobs


@pytest.fixture(scope='session')
def ranks(tmp_path_factory):
    """What each of two processes saw, by rank."""
    folder = tmp_path_factory.mktemp('ranks')
    jobs = [(rank, str(folder)) for rank in range(RANKS)]
    run_jobs(ddp_worker.work, jobs, at_once=RANKS)
    return [torch.load(folder / f'rank{rank}.pth') for rank in range(RANKS)]
