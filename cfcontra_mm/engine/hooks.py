"""Hooks of the training loop."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain

import torch
from mmengine.dataset import pseudo_collate
from mmengine.dist import (
    all_reduce,
    all_reduce_params,
    get_rank,
    get_world_size,
    is_main_process,
)
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from mmengine.utils import track_iter_progress
from mmseg.registry import HOOKS
from torch import nn
from torch.utils.data import DataLoader

from cfcontra_mm.datasets.domain import Draw, keep_random_state, seeded_as
from cfcontra_mm.domains import DOMAINS
from cfcontra_mm.errors import InputError
from cfcontra_mm.methods.base import domain_inputs
from cfcontra_mm.models.class_centers import ClassCenterBank
from cfcontra_mm.models.teacher import Teacher


@HOOKS.register_module()
class MemoryBankHook(Hook):
    """Starts and moves the class centers of a method (CFContra's memory bank).

    Before training it passes over the data for the first centers (eqs. 9, 13), the
    source first, since the target's pseudo-labels come from the source's centers;
    centers from a checkpoint are kept. After each iteration all ranks' sums move the
    centers together (eqs. 14-17), so n ranks with batch b move them as one rank with
    batch n*b.

    Args:
        max_images: Limit on the images of each domain in the first pass.
    """

    def __init__(self, max_images: int) -> None:
        self.max_images = max_images

    def before_train(self, runner: Runner) -> None:
        """Build the first centers, unless a checkpoint brought some."""
        method = _bare(runner.model)
        if method.class_centers.initialized.any():
            return
        print_log('building the first class centers', logger='current')
        with _unmoved_statistics(method), keep_random_state():
            for domain in DOMAINS:
                self._first_centers(runner, method, domain)

    def after_train_iter(self, runner: Runner, *args, **kwargs) -> None:
        """Move the centers by what all ranks saw in this iteration."""
        move_centers(_bare(runner.model).class_centers)

    def _first_centers(self, runner: Runner, method: nn.Module, domain: str) -> None:
        train_loader = runner.train_dataloader
        loader = DataLoader(
            train_loader.dataset,
            batch_size=train_loader.sampler.per_domain[domain],
            sampler=self._draws(train_loader.dataset.domain_ranges[domain]),
            num_workers=train_loader.num_workers,
            collate_fn=pseudo_collate,
        )
        bar = track_iter_progress((loader, len(loader)))
        for data in bar if is_main_process() else loader:
            batch = method.data_preprocessor(data, training=True)
            with seeded_as(data['data_samples'][0]):
                method.accumulate_centers(domain, domain_inputs(batch, domain))
        move_centers(method.class_centers)

    def _draws(self, indices: range) -> list[Draw]:
        """This rank's share of the images, evenly spread over the domain."""
        wanted = min(self.max_images, len(indices))
        draws = [Draw(indices[i * len(indices) // wanted], i) for i in range(wanted)]
        return draws[get_rank() :: get_world_size()]


def move_centers(bank: ClassCenterBank) -> None:
    """Move a bank's centers by what all ranks have accumulated."""
    all_reduce(bank.sums)
    all_reduce(bank.counts)
    bank.update()


def _bare(model: nn.Module) -> nn.Module:
    return model.module if is_model_wrapper(model) else model


def _norms(model: nn.Module) -> list[nn.Module]:
    return [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._NormBase)]


@contextmanager
def _unmoved_statistics(model: nn.Module) -> Iterator[None]:
    """Normalise as in training, but leave the running statistics as they were."""
    model.train()
    norms = [
        m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)
    ]
    before = [{k: v.clone() for k, v in m.named_buffers()} for m in norms]
    yield
    for norm, buffers in zip(norms, before, strict=True):
        norm.load_state_dict(buffers, strict=False)


@HOOKS.register_module()
class SyncStatisticsHook(Hook):
    """Averages the running statistics of normalisation over the ranks.

    Each rank moves them by its own images; without this hook the ranks would validate
    different networks and only the first one's would be saved.
    """

    def after_train_iter(self, runner: Runner, *args, **kwargs) -> None:
        """Average what this iteration moved."""
        if get_world_size() > 1:
            statistics = (norm.buffers() for norm in _norms(runner.model))
            moved = [b for b in chain(*statistics) if b.is_floating_point()]
            for part in runner.model.modules():
                if isinstance(part, Teacher):
                    moved += part.statistics()
            all_reduce_params(moved, op='mean')


@HOOKS.register_module()
class ValidationRandomStateHook(Hook):
    """Keeps validation from moving the training's random state.

    Starting a loader draws from it, so that without this hook the interval of the
    validation would change the trained weights.
    """

    def before_val(self, runner: Runner) -> None:
        """Remember the random state."""
        self._kept = keep_random_state()
        self._kept.__enter__()

    def after_val(self, runner: Runner) -> None:
        """Restore the random state."""
        self._kept.__exit__(None, None, None)


@HOOKS.register_module()
class FiniteLossHook(Hook):
    """Stops a training whose loss is not finite, before it is saved.

    Args:
        interval: Iterations between looks, each of which waits for the device.
    """

    priority = 'VERY_HIGH'

    def __init__(self, interval: int) -> None:
        self.interval = interval

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch=None, outputs=None
    ) -> None:
        """Look at every logged value.

        Raises:
            InputError: Naming the losses that are not finite.
        """
        due = self.every_n_train_iters(runner, self.interval)
        if not due and not self.is_last_train_iter(runner):
            return
        bad = [k for k, v in outputs.items() if not torch.isfinite(torch.as_tensor(v))]
        if bad:
            raise InputError(
                f'iteration {runner.iter + 1}: {", ".join(bad)} is not finite; lower '
                'the learning rate or clip the gradient (optim_wrapper.clip_grad), and '
                f'resume from the last checkpoint in {runner.work_dir}'
            )
