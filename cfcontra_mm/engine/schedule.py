"""Schedules of the learning rate."""

from __future__ import annotations

from typing import Any

from mmengine.optim import OptimWrapper, _ParamScheduler
from mmengine.optim.scheduler.lr_scheduler import LRSchedulerMixin
from mmseg.registry import PARAM_SCHEDULERS


@PARAM_SCHEDULERS.register_module()
class InverseTimeLR(LRSchedulerMixin, _ParamScheduler):
    """Divides the learning rate by ``1 + decay * i`` at iteration i, as AdaIN's code.

    Args:
        optimizer: Optimiser wrapper, which MMEngine passes.
        decay: Decay per iteration; 5e-5 in the published code.
        **kwargs: As for MMEngine's schedulers.
    """

    def __init__(self, optimizer: OptimWrapper, *, decay: float, **kwargs: Any) -> None:
        self.decay = decay
        super().__init__(optimizer, **kwargs)

    def _get_value(self) -> list[float]:
        values = [group[self.param_name] for group in self.optimizer.param_groups]
        if self.last_step == 0:
            return values
        before, now = (1 + self.decay * i for i in (self.last_step - 1, self.last_step))
        return [value * before / now for value in values]
