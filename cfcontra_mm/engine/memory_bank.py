"""The hook of CFContra's memory bank."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol, cast

from mmengine.dataset import pseudo_collate
from mmengine.dist import all_reduce, get_rank, get_world_size, is_main_process
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner
from mmengine.utils import track_iter_progress
from mmseg.registry import HOOKS
from torch import nn
from torch.utils.data import DataLoader

from cfcontra_mm.datasets.domain import Draw, keep_random_state, seeded_as
from cfcontra_mm.domains import DOMAINS
from cfcontra_mm.methods.passes import DomainInputs, Method, domain_inputs, required
from cfcontra_mm.models.class_centers import ClassCenterBank

from .step import unwrapped
from .stopping import stop_if_asked


class _CenterMethod(Method, Protocol):
    """What the hook needs of a method."""

    class_centers: ClassCenterBank

    def accumulate_centers(self, domain: str, inputs: DomainInputs) -> None:
        """Add a batch to the sums of a domain's centers."""


@HOOKS.register_module()
class MemoryBankHook(Hook):
    """Computes and moves the class centers of a method (CFContra's memory bank).

    Before training, one pass over the data gives the first centers (eqs. 9, 13), those
    of the source first, since the target's pseudo-labels come from them; centers from a
    checkpoint are kept. After each iteration, the sums over all ranks move the centers
    (eqs. 14-17): n ranks with batch size b move them as one rank with batch size n*b.

    Args:
        max_images: Most images of each domain in the first pass.
    """

    def __init__(self, max_images: int) -> None:
        self.max_images = max_images

    def before_train(self, runner: Runner) -> None:
        """Compute the first centers, unless a checkpoint held some.

        Raises:
            Stopped: A signal has come meanwhile.
        """
        method = _method(runner)
        if method.class_centers.initialized.any():
            return
        print_log('computing the first class centers', logger='current')
        with _unchanged_statistics(runner.model), keep_random_state():
            for domain in DOMAINS:
                self._first_centers(runner, method, domain)

    def after_train_iter(self, runner: Runner, *args: Any, **kwargs: Any) -> None:
        """Move the centers by what all ranks saw in this iteration."""
        move_centers(_method(runner).class_centers)

    def _first_centers(
        self, runner: Runner, method: _CenterMethod, domain: str
    ) -> None:
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
            stop_if_asked('the first class centers were not complete')
            batch = method.data_preprocessor(data, training=True)
            with seeded_as(data['data_samples'][0]):
                inputs = required(domain, domain_inputs(batch, domain))
                method.accumulate_centers(domain, inputs)
        move_centers(method.class_centers)

    def _draws(self, indices: range) -> list[Draw]:
        """Return this rank's share of the images, evenly spread over the domain."""
        wanted = min(self.max_images, len(indices))
        draws = [Draw(indices[i * len(indices) // wanted], i) for i in range(wanted)]
        return draws[get_rank() :: get_world_size()]


def move_centers(bank: ClassCenterBank) -> None:
    """Move a bank's centers by what all ranks have accumulated."""
    all_reduce(bank.sums)
    all_reduce(bank.counts)
    bank.update()


def _method(runner: Runner) -> _CenterMethod:
    return cast(_CenterMethod, unwrapped(runner.model))


@contextmanager
def _unchanged_statistics(model: nn.Module) -> Iterator[None]:
    """Normalise as in training, then restore the running statistics."""
    model.train()
    norms = [
        m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)
    ]
    before = [{k: v.clone() for k, v in m.named_buffers()} for m in norms]
    yield
    for norm, buffers in zip(norms, before, strict=True):
        norm.load_state_dict(buffers, strict=False)
