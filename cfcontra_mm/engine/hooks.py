"""Hooks of the training loop."""

from __future__ import annotations

from itertools import chain
from typing import Any

import torch
from mmengine.dist import all_reduce_params, get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from torch import Tensor, nn

from cfcontra_mm.datasets.domain import keep_random_state
from cfcontra_mm.errors import InputError
from cfcontra_mm.models.copied_weights import SegmentorCopy


def _norms(model: nn.Module) -> list[nn.Module]:
    return [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._NormBase)]


@HOOKS.register_module()
class SyncStatisticsHook(Hook):
    """Averages the running statistics of normalisation over the ranks.

    Each rank updates them from its own images; without this hook the ranks would
    validate different networks, and only that of the first would be saved.
    """

    def after_train_iter(self, runner: Runner, *args: Any, **kwargs: Any) -> None:
        """Average what this iteration updated."""
        if get_world_size() > 1:
            statistics = (norm.buffers() for norm in _norms(runner.model))
            updated = [b for b in chain(*statistics) if b.is_floating_point()]
            for part in runner.model.modules():
                if isinstance(part, SegmentorCopy):
                    updated += part.statistics()
            all_reduce_params(updated, op='mean')


@HOOKS.register_module()
class ValidationRandomStateHook(Hook):
    """Keeps validation from changing the random state of the training.

    Starting a loader draws from it: without this hook the trained weights would depend
    on how often the network is validated.
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
    """Stops a training whose loss is not finite before a checkpoint is saved.

    Args:
        interval: Iterations between checks; each check waits for the device.
    """

    priority = 'VERY_HIGH'

    def __init__(self, interval: int) -> None:
        self.interval = interval

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None,
        outputs: dict[str, Tensor | float],
    ) -> None:
        """Check every logged value.

        Raises:
            InputError: Some are not finite; the message names them.
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
