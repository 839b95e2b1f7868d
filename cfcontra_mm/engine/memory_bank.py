"""The hook of CFContra's memory bank."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mmengine.dataset import pseudo_collate
from mmengine.dist import all_reduce, get_rank, get_world_size, is_main_process
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
from cfcontra_mm.methods.passes import domain_inputs
from cfcontra_mm.models.class_centers import ClassCenterBank


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
