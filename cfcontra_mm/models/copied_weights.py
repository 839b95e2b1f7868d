"""Copies of a network's weights as buffers, and how to run the network on them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class SegmentorCopy(nn.Module):
    """Copy, as buffers, of the weights that the logits of a segmentor depend on.

    Args:
        segmentor: The segmentor to copy, without its auxiliary head, discriminators
            and other copies.
    """

    def __init__(self, segmentor: nn.Module) -> None:
        super().__init__()
        self.followed = {name for name, _ in segmentor.named_parameters()}
        copied = _of_prediction(segmentor)
        self.copied = {*copied}
        for name, value in copied.items():
            register_weight(self, name, value.clone())

    def weights(self) -> dict[str, Tensor]:
        """Return weights and running statistics, by the segmentor's names."""
        return {name: b for name, b in self.named_buffers() if name in self.copied}

    def statistics(self) -> list[Tensor]:
        """Return the running statistics, which each rank moves by its own images."""
        return [
            value
            for name, value in self.weights().items()
            if name not in self.followed and value.is_floating_point()
        ]

    @torch.no_grad()
    def start(self, segmentor: nn.Module) -> None:
        """Copy the current weights of the segmentor."""
        theirs = segmentor.state_dict()
        for name, own in self.weights().items():
            own.copy_(theirs[name])


def _of_prediction(segmentor: nn.Module) -> dict[str, Tensor]:
    """Return the weights of a segmentor that its logits depend on."""
    skipped = ['auxiliary_head.', 'discriminators.', 'data_preprocessor.']
    for name, module in segmentor.named_modules():
        if isinstance(module, SegmentorCopy):
            skipped.append(f'{name}.')
    state = segmentor.state_dict()
    return {k: v for k, v in state.items() if not k.startswith(tuple(skipped))}


def register_weight(
    module: nn.Module, name: str, value: Tensor, persistent: bool = True
) -> None:
    """Register a buffer by its dotted name.

    Args:
        module: Module that gets a submodule for each part of the name but the last.
        name: Name as in the ``state_dict`` of a network.
        value: The buffer.
        persistent: Whether the buffer is saved.
    """
    *path, last = name.split('.')
    for part in path:
        if part not in module._modules:
            module.add_module(part, nn.Module())
        module = module.get_submodule(part)
    module.register_buffer(last, value, persistent=persistent)


@contextmanager
def without_dropout(module: nn.Module) -> Iterator[None]:
    """Put all layers of a network but its normalisation in evaluation mode."""
    norms = nn.modules.batchnorm._NormBase
    trained = [m for m in module.modules() if m.training and not isinstance(m, norms)]
    with _not_training(trained):
        yield


@contextmanager
def predicting(module: nn.Module) -> Iterator[None]:
    """Put a network in evaluation mode."""
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
