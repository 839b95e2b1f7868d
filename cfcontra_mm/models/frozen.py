"""A network as it was before the training, for methods that keep its features."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.func import functional_call

from .copied_weights import predicting, register_weight


class Frozen(nn.Module):
    """Runs a network on the weights that it started from.

    A method makes one in its constructor and calls :meth:`take` at the end of its
    ``init_weights``, when the pretrained weights are there. The copy is not trained,
    saved or exported: a resumed training takes it again.

    Args:
        network: The network, for example the backbone.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        for name, value in network.state_dict().items():
            register_weight(self, name, value.clone(), persistent=False)

    @torch.no_grad()
    def take(self, network: nn.Module) -> None:
        """Become a copy of the network."""
        theirs = network.state_dict()
        for name, own in self.named_buffers():
            own.copy_(theirs[name])

    @torch.no_grad()
    def forward(self, network: nn.Module, *inputs: Any) -> Any:
        """What the network gave for these inputs, in test mode."""
        with predicting(network):
            return functional_call(network, dict(self.named_buffers()), inputs)
