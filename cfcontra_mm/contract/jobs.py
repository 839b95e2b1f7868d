"""Training and ranks in separate processes, each with a time limit."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from datetime import timedelta
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path

import mmengine
import torch
import torch.distributed as dist
from mmengine.config import Config
from mmengine.runner import Runner

from cfcontra_mm.engine import (
    DomainDistributedDataParallel,
    domain_step,
    measure_loss_shares,
)
from cfcontra_mm.methods import UDASegmentor

from .cases import Case
from .tiny import (
    after_step,
    build_hooks,
    build_method,
    build_optimizer,
    narrow_discriminators,
    random_batch,
    record_steps,
    warm_up,
)

ITERATIONS = 4
RANKS = 2
SECONDS = 300
"""Time limit of a job, which takes a few seconds."""


def run_jobs(work: Callable, jobs: list[tuple], at_once: int = 1) -> None:
    """Run a function in new processes.

    They are forked from a server that has loaded the libraries, as loading takes longer
    than the work.

    Args:
        work: Function of this module.
        jobs: Arguments of the function in each process.
        at_once: Number of processes that run at a time.

    Raises:
        AssertionError: A process fails or takes more than ``SECONDS``.
    """
    context = get_context('forkserver')
    context.set_forkserver_preload([__name__])
    for start in range(0, len(jobs), at_once):
        processes = [
            context.Process(target=_call, args=(work, job), daemon=False)
            for job in jobs[start : start + at_once]
        ]
        for process in processes:
            process.start()
        _finish(processes, jobs[start])


def _finish(processes: Sequence[BaseProcess], job: tuple) -> None:
    try:
        for process in processes:
            process.join(SECONDS)
            assert process.exitcode == 0, f'exit status {process.exitcode}: {job}'
    finally:
        for process in processes:
            process.kill()


def _call(work: Callable, job: tuple) -> None:
    torch.set_num_threads(1)
    try:
        work(*job)
    except BaseException:
        traceback.print_exc()
        raise


def train(case: Case, data: str, work_dir: str, options: dict) -> None:
    """Train a case for ``ITERATIONS``, with a checkpoint after every second one."""
    # Formatting the config and collecting the environment take longer than training.
    mmengine.config.config.FormatCode = lambda text, **kwargs: (text, True)
    mmengine.runner.runner.collect_env = dict
    cfg = training_config(case, data, work_dir, options)
    with narrow_discriminators():
        runner = Runner.from_cfg(cfg)
    runner.train()


def training_config(case: Case, data: str, work_dir: str, options: dict) -> Config:
    """Return the config of such a training.

    Args:
        case: What to train.
        data: Folder of a tiny ToyStreets pair.
        work_dir: Folder of the checkpoints.
        options: Settings that replace those of the config, by their dotted keys, and
            ``num_workers`` of every loader.
    """
    cfg = case.load()
    read_from(cfg, data)
    options = dict(options)
    workers = options.pop('num_workers', 0)
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        loader.update(num_workers=workers, persistent_workers=workers > 0)
    cfg.train_cfg.max_iters = cfg.train_cfg.val_interval = ITERATIONS
    cfg.default_hooks.checkpoint.interval = 2
    cfg.work_dir = work_dir
    cfg.experiment_name = work_dir.replace('/', '_')
    cfg.merge_from_dict(options)
    hooks = cfg.default_hooks.items()
    cfg.default_hooks = {name: hook for name, hook in hooks if hook is not None}
    return cfg


def read_from(node: dict, root: str) -> None:
    """Set another folder for every data set in a config."""
    for key, value in node.items():
        if isinstance(value, dict):
            read_from(value, root)
        elif key == 'data_root':
            node[key] = value.replace('data/toystreets', root)


def batch_of(rank: int, iteration: int) -> dict:
    """Return a batch of one source and one target image, different on each rank."""
    batch = random_batch(10 * iteration + rank, per_domain=1)
    for place, image in enumerate(batch['data_samples']):
        # The count of the sampler.
        count = 2 * RANKS * iteration + RANKS * place + rank
        image.set_metainfo(dict(draw=(0, count), step=iteration, rank=rank))
    return batch


def still(model: UDASegmentor) -> UDASegmentor:
    """Use float64 and no batch statistics or dropout: a batch is a sum of images."""
    model.double().eval()
    model.training = True
    return model


def build_still(case: Case) -> tuple[UDASegmentor, Config]:
    """Return the method of a case, with filled memory banks, and its config."""
    cfg = case.load()
    return still(warm_up(build_method(cfg.model), cfg)), cfg


def step_on_ranks(case: Case, rank: int, folder: str) -> None:
    """Save the shares of a rank, its gradients at each step, its state at the end."""
    join_ranks(rank, folder)
    found = {}
    for accumulative_counts in (1, 2):
        model, cfg = build_still(case)
        hooks = build_hooks(cfg)
        wrapped = DomainDistributedDataParallel(model)
        optim_wrapper = build_optimizer(model, cfg, accumulative_counts)
        shares = measure_loss_shares(wrapped, batch_of(rank, 0), optim_wrapper)
        steps = record_steps(optim_wrapper, model)
        for iteration in range(2):
            domain_step(wrapped, batch_of(rank, iteration), optim_wrapper)
            after_step(model, hooks)
        found[accumulative_counts] = dict(
            steps=steps,
            state=model.state_dict(),
            shares={term: share._asdict() for term, share in shares.items()},
        )
    torch.save(found, Path(folder, f'rank{rank}.pth'))
    dist.destroy_process_group()


def join_ranks(rank: int, folder: str) -> None:
    """Start the process group of ``RANKS`` processes that share a folder."""
    dist.init_process_group(
        'gloo',
        init_method=f'file://{folder}/store',
        rank=rank,
        world_size=RANKS,
        timeout=timedelta(seconds=60),
    )
