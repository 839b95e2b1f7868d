import time

import ddp_worker
import pytest
import torch

SECONDS = 120


@pytest.fixture(scope='session')
def ranks(tmp_path_factory):
    """What each of two processes saw, by rank."""
    folder = tmp_path_factory.mktemp('ranks')
    processes = torch.multiprocessing.spawn(
        ddp_worker.work, args=(str(folder),), nprocs=ddp_worker.RANKS, join=False
    )
    deadline = time.monotonic() + SECONDS
    try:
        while not processes.join(timeout=1):
            assert time.monotonic() < deadline, 'the ranks hang'
    finally:
        for process in processes.processes:
            process.kill()
    return [torch.load(folder / f'rank{rank}.pth') for rank in range(ddp_worker.RANKS)]
