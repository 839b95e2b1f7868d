"""What each of two processes runs for tests/engine/test_ddp.py."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import torch
import torch.distributed as dist
from torch import nn

# The helpers lie beside this file.
sys.path.insert(0, str(Path(__file__).parent))
from alternating import jointly
from helpers import build_method, build_optimizer, tiny_config

from cfcontra_mm.contract.jobs import batch_of, join_ranks, still
from cfcontra_mm.contract.tiny import record_steps
from cfcontra_mm.engine import (
    DomainDistributedDataParallel,
    SyncStatisticsHook,
    domain_step,
)
from cfcontra_mm.methods import UDASegmentor


class SplitParameters(UDASegmentor):
    """Parameters that only one pass, only one rank or nothing at all touches."""

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        for name in ('of_source', 'of_target', 'of_both', 'of_rank', 'of_none'):
            setattr(self, name, nn.Parameter(torch.ones(3)))

    def source_losses(self, source):
        level = source.images.mean()
        loss = (self.of_source * level).sum() + (self.of_both**2 * level).sum()
        # One rank alone uses the parameter, each iteration the other one.
        if int(source.labels.sum()) % 2:
            loss = loss + (self.of_rank**3 * level).sum()
        # A mean over all pixels, labelled or not, which the ranks have as many of.
        return {'loss_split': loss + source.logits['decode'].square().mean()}

    def target_losses(self, target):
        level = target.logits['decode'].mean() + target.images.mean()
        return {'loss_split': (self.of_target**2 * self.of_both * level).sum()}


def split_parameters() -> tuple[UDASegmentor, object]:
    """The method above in float64, with its config."""
    cfg = tiny_config('source_only')
    torch.manual_seed(0)
    model = SplitParameters(**{k: v for k, v in cfg.model.items() if k != 'type'})
    return still(model), cfg


def uneven_batch(rank: int, iteration: int) -> dict:
    """A batch whose labels let one rank alone use the parameter of ranks."""
    batch = batch_of(rank, iteration)
    labels = batch['data_samples'][0].gt_sem_seg.data
    labels[..., 0, 0] = 0
    labels[..., 0, 0] = (int(labels.sum()) + rank + iteration) % 2
    return batch


def split_steps(rank: int, accumulative_counts: int) -> list[dict]:
    """Gradients of the method above at each step."""
    model, cfg = split_parameters()
    wrapped = DomainDistributedDataParallel(model)
    optim_wrapper = build_optimizer(model, cfg, accumulative_counts)
    steps = record_steps(optim_wrapper, model)
    for iteration in range(2):
        domain_step(wrapped, uneven_batch(rank, iteration), optim_wrapper)
    return steps


def moved_statistics(rank: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Running means that a rank moved by itself, and after the hook."""
    norm = nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2))
    norm[1].running_mean.copy_(torch.tensor([1.0, 4.0]) * (rank + 1))
    alone = norm[1].running_mean.clone()
    SyncStatisticsHook().after_train_iter(SimpleNamespace(model=norm))
    return alone, norm[1].running_mean


def train_jointly(rank: int) -> dict:
    """Weights after five joint steps on the rank's own images."""
    cfg = jointly(tiny_config('adaptsegnet'))
    model = still(build_method(cfg.model))
    optim_wrapper = build_optimizer(model, cfg)
    wrapped = DomainDistributedDataParallel(model)
    for iteration in range(5):
        domain_step(wrapped, batch_of(rank, iteration), optim_wrapper)
    return {name: p.detach() for name, p in model.named_parameters()}


def work(rank: int, folder: str) -> None:
    """Run everything on one rank and save what it saw."""
    join_ranks(rank, folder)
    found = dict(
        split={counts: split_steps(rank, counts) for counts in (1, 2)},
        joint=train_jointly(rank),
        statistics=moved_statistics(rank),
    )
    torch.save(found, Path(folder, f'rank{rank}.pth'))
    dist.destroy_process_group()
