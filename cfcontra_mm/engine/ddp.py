"""Training on several processes."""

from __future__ import annotations

from mmengine.model import MMDistributedDataParallel
from mmengine.optim import OptimWrapper
from mmseg.registry import MODEL_WRAPPERS
from torch import Tensor, nn

from .step import domain_step


@MODEL_WRAPPERS.register_module()
class DomainDistributedDataParallel(MMDistributedDataParallel):
    """Distributes a method over ranks, each of which runs :func:`domain_step`.

    MMEngine's wrapper ignores the step of the model that it wraps. Parameters that only
    an earlier pass uses are unused in the last; ``find_unused_parameters`` makes the
    ranks average them all the same. Buffers are not broadcast: the second pass would
    overwrite what the other ranks gathered in the first.

    Args:
        module: The method.
        device_ids: GPU of this process; ignored on the CPU.
    """

    def __init__(self, module: nn.Module, device_ids: list[int] | None = None) -> None:
        on_gpu = next(module.parameters()).is_cuda
        super().__init__(
            module,
            device_ids=device_ids if on_gpu else None,
            broadcast_buffers=False,
            find_unused_parameters=True,
        )

    def train_step(self, data: dict, optim_wrapper: OptimWrapper) -> dict[str, Tensor]:
        """Run one optimiser step over all passes; return the values to log."""
        return domain_step(self, data, optim_wrapper)
