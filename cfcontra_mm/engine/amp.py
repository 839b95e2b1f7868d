"""Mixed precision for one optimiser or several, on GPUs and CPUs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmengine.runner import autocast
from mmseg.registry import OPTIM_WRAPPERS
from torch import nn

from cfcontra_mm.errors import InputError


@OPTIM_WRAPPERS.register_module()
class BFloat16OptimWrapper(OptimWrapper):
    """Runs forward passes in bfloat16, whose range needs no scaling of the loss."""

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Open the context of a forward pass."""
        with super().optim_context(model), autocast(dtype=torch.bfloat16):
            yield


def enable_amp(cfg: Config) -> None:
    """Set every optimiser wrapper of a config to mixed precision.

    It is bfloat16 where the device has it, else float16 with a scaled loss.

    Raises:
        InputError: A wrapper's type has no counterpart in mixed precision.
    """
    has_bfloat16 = not torch.cuda.is_available() or torch.cuda.is_bf16_supported()
    mixed = 'BFloat16OptimWrapper' if has_bfloat16 else 'AmpOptimWrapper'
    for wrapper in _wrappers(cfg.optim_wrapper):
        kind = wrapper.setdefault('type', 'OptimWrapper')
        if kind not in ('OptimWrapper', 'AmpOptimWrapper', 'BFloat16OptimWrapper'):
            raise InputError(
                f'--amp: optim_wrapper.type {kind} has no mixed precision; remove --amp'
            )
        if kind == 'OptimWrapper':
            wrapper['type'] = mixed


def _wrappers(optim_wrapper: dict) -> list[dict]:
    """Return the wrapper and those within it, if they have an optimiser."""
    nested = [value for value in optim_wrapper.values() if isinstance(value, dict)]
    return [cfg for cfg in (optim_wrapper, *nested) if 'optimizer' in cfg]
