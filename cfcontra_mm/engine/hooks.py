"""Hooks of the training loop."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Any

from mmengine.dist import (
    all_reduce,
    all_reduce_params,
    broadcast_object_list,
    get_world_size,
)
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from torch import Tensor, nn

from cfcontra_mm.datasets.domain import keep_random_state
from cfcontra_mm.models.copied_weights import SegmentorCopy
from cfcontra_mm.old_names import old_attributes

from .finite_losses import stacked
from .training_log import read_curves


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
class MissedValidationHook(Hook):
    """Makes up the validation that is due at the iteration a training resumes from.

    A training that was killed during it has a checkpoint of this iteration, but no
    scores.
    """

    priority = 'LOWEST'  # after all hooks have started

    def before_train(self, runner: Runner) -> None:
        """Validate, if it is due and no log has its scores."""
        if self._is_due(runner) and not self._is_logged(runner):
            print_log(f'validating iteration {runner.iter}', 'current')
            runner.val_loop.run()

    def _is_due(self, runner: Runner) -> bool:
        loop, last = runner.train_loop, runner.iter == runner.max_iters
        if runner.iter == 0 or runner.val_loop is None:
            return False
        due = last or runner.iter % loop.val_interval == 0
        return bool(due and runner.iter >= loop.val_begin)

    def _is_logged(self, runner: Runner) -> bool:
        folders = {Path(runner.work_dir), Path(runner._load_from or '').parent}
        logged = [runner.iter in read_curves(folder).validations for folder in folders]
        # The folder may look different from another node.
        answers = [any(logged)]
        broadcast_object_list(answers)
        return answers[0]


@HOOKS.register_module()
class MeanLossesHook(Hook):
    """Averages the logged values over the ranks; each rank's are of its images alone.

    They stay on the device.
    """

    priority = 'HIGHEST'  # before any hook reads them

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: dict[str, Tensor | float] | None = None,
    ) -> None:
        """Replace the values of this rank by their means."""
        if outputs and get_world_size() > 1:
            means = stacked(outputs)
            all_reduce(means, 'mean')
            outputs.update(zip(outputs, means.unbind(), strict=True))


__getattr__ = old_attributes(__name__)
