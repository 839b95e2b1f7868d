"""Weights of a network that another module keeps, and how the network runs on them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn


def register_weight(
    module: nn.Module, name: str, value: Tensor, persistent: bool = True
) -> None:
    """Register a buffer by its dotted name.

    Args:
        module: Gets a submodule for each part of the name but the last.
        name: As in the ``state_dict`` of a network.
        value: The buffer.
        persistent: Whether it is saved.
    """
    *path, last = name.split('.')
    for part in path:
        if part not in module._modules:
            module.add_module(part, nn.Module())
        module = module._modules[part]
    module.register_buffer(last, value, persistent=persistent)


@contextmanager
def without_dropout(module: nn.Module) -> Iterator[None]:
    """Let all but the normalisation of a network run as when it predicts."""
    norms = nn.modules.batchnorm._NormBase
    trained = [m for m in module.modules() if m.training and not isinstance(m, norms)]
    with _not_training(trained):
        yield


@contextmanager
def predicting(module: nn.Module) -> Iterator[None]:
    """Let a network run as when it predicts."""
    with _not_training([m for m in module.modules() if m.training]):
        yield


@contextmanager
def _not_training(modules: list[nn.Module]) -> Iterator[None]:
    for module in modules:
        module.training = False
    try:
        yield
    finally:
        for module in modules:
            module.training = True
