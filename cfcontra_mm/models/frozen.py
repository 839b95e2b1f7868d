"""A network with its initial weights, for methods that preserve its features."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call

from .copied_weights import predicting, register_weight


class Frozen(nn.Module):
    """Frozen copy of a network's initial weights, with which the network can run.

    A method makes one in its constructor and calls :meth:`take` at the end of its
    ``init_weights``, after the pretrained weights are loaded. The copy is not trained,
    saved or exported: a resumed training makes it again.

    Args:
        network: The network, for example the backbone.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        for name, value in network.state_dict().items():
            register_weight(self, name, value.clone(), persistent=False)

    @torch.no_grad()
    def take(self, network: nn.Module) -> None:
        """Copy the current weights of the network."""
        theirs = network.state_dict()
        for name, own in self.named_buffers():
            own.copy_(theirs[name])

    @torch.no_grad()
    def forward(self, network: nn.Module, *inputs: Tensor) -> Tensor | Sequence[Tensor]:
        """Return the initial network's outputs for the inputs, in evaluation mode."""
        with predicting(network):
            return functional_call(network, dict(self.named_buffers()), inputs)
