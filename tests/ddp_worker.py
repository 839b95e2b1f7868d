"""What each of two processes runs for tests/engine/test_ddp.py."""

from __future__ import annotations

import datetime
from pathlib import Path
from types import SimpleNamespace

import torch
import torch.distributed as dist
from alternating import jointly
from helpers import (
    begin_centers,
    build_method,
    build_optimizer,
    one_folder_a_method,
    random_batch,
    record_steps,
    tiny_config,
)
from mmengine.optim import OptimWrapper
from torch import nn

from cfcontra_mm.engine import (
    DomainDistributedDataParallel,
    SyncStatisticsHook,
    domain_step,
)
from cfcontra_mm.engine.hooks import move_centers
from cfcontra_mm.methods import UDASegmentor

RANKS = 2


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
        return super().source_losses(source) | {'loss_split': loss}

    def target_losses(self, target):
        level = target.logits['decode'].mean() + target.images.mean()
        return {'loss_split': (self.of_target**2 * self.of_both * level).sum()}


def split_parameters() -> tuple[UDASegmentor, object]:
    """The method above in float64, with its config."""
    cfg = tiny_config('source_only')
    torch.manual_seed(0)
    model = SplitParameters(**{k: v for k, v in cfg.model.items() if k != 'type'})
    return still(model), cfg


def configured(folder: str) -> tuple[UDASegmentor, object]:
    """A configured method in float64 whose centers have begun, with its config."""
    cfg = tiny_config(folder)
    model = still(build_method(cfg.model))
    begin_centers(model, random_batch(99))
    return model, cfg


def still(model: UDASegmentor) -> UDASegmentor:
    """Without batch statistics a batch is the sum of its images."""
    for module in model.double().train().modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()
    return model


def cases() -> list[str]:
    """Names of the methods to try."""
    return [*one_folder_a_method(), 'split_parameters']


def build(case: str) -> tuple[UDASegmentor, object]:
    """The method and config of a case; the same on every rank."""
    return split_parameters() if case == 'split_parameters' else configured(case)


def batch_of(rank: int, iteration: int) -> dict:
    """One source and one target image, other ones on each rank."""
    batch = random_batch(10 * iteration + rank, per_domain=1)
    labels = batch['data_samples'][0].gt_sem_seg.data
    labels[..., 0, 0] = 0
    labels[..., 0, 0] = (int(labels.sum()) + rank + iteration) % 2
    return batch


def try_method(case: str, rank: int) -> dict:
    """What a rank sees: gradients at each step, and centers after a step."""
    found = {}
    for accumulative_counts in (1, 2):
        model, cfg = build(case)
        wrapped = DomainDistributedDataParallel(model)
        optim_wrapper: OptimWrapper = build_optimizer(model, cfg, accumulative_counts)
        steps = record_steps(optim_wrapper, model)
        for iteration in range(2):
            domain_step(wrapped, batch_of(rank, iteration), optim_wrapper)
        found[accumulative_counts] = steps
        if hasattr(model, 'class_centers') and accumulative_counts == 1:
            move_centers(model.class_centers)
            found['centers'] = model.class_centers.state_dict()
    return found


def try_statistics(rank: int) -> tuple[torch.Tensor, torch.Tensor]:
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
    """Run every case on one rank and save what it saw."""
    torch.set_num_threads(1)
    dist.init_process_group(
        'gloo',
        init_method=f'file://{folder}/store',
        rank=rank,
        world_size=RANKS,
        timeout=datetime.timedelta(seconds=60),
    )
    found = {case: try_method(case, rank) for case in cases()}
    found['joint'] = train_jointly(rank)
    found['statistics'] = try_statistics(rank)
    torch.save(found, Path(folder, f'rank{rank}.pth'))
    dist.destroy_process_group()
