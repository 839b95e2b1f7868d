"""Running statistics of batch normalisation, and how to estimate them on images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

Statistics = dict[str, Tensor]
"""Running means and variances, by their names in the state dict of a network."""


def batch_norms(network: nn.Module) -> dict[str, _BatchNorm]:
    """Return the batch normalisation layers that have running statistics, by name.

    A layer that is registered under several names has all of them.
    """
    return {
        name: module
        for name, module in network.named_modules(remove_duplicate=False)
        if isinstance(module, _BatchNorm) and module.running_mean is not None
    }


def running_statistics(network: nn.Module) -> Statistics:
    """Return a copy of the running means and variances of a network."""
    return {name: value.clone() for name, value in _buffers(network)}


@torch.no_grad()
def set_statistics(network: nn.Module, statistics: Mapping[str, Tensor]) -> None:
    """Set running means and variances; those that are not given stay.

    Args:
        network: The network.
        statistics: Values by their names in its state dict.
    """
    for name, value in _buffers(network):
        if name in statistics:
            value.copy_(statistics[name])


def _buffers(network: nn.Module) -> Iterator[tuple[str, Tensor]]:
    for name, norm in batch_norms(network).items():
        for key in ('running_mean', 'running_var'):
            yield f'{name}.{key}' if name else key, getattr(norm, key)


@torch.no_grad()
def estimate_statistics(network: BaseModel, batches: Iterable[dict]) -> Statistics:
    r"""Estimate means and variances on batches of images (AdaBN, Li et al., 2017).

    The network predicts each batch, normalised by the statistics of the batch itself as
    in training, all else as in evaluation. Over the values x that a layer gets in all
    batches,

    .. math:: \mu = \overline{x}, \qquad \sigma^2 = \overline{(x - \mu)^2}.

    Nothing of the network changes.

    Args:
        network: A segmentor of mmseg.
        batches: Batches for its ``test_step``, of more than one image each if the
            network normalises global averages.

    Returns:
        The estimates of all layers that a prediction runs through.
    """
    norms = batch_norms(network)
    pooled = {norm: _Pooled() for norm in norms.values()}
    with ExitStack() as contexts:
        contexts.enter_context(batch_statistics(network))
        for norm, values in pooled.items():
            contexts.callback(norm.register_forward_hook(values.add).remove)
        for batch in batches:
            network.test_step(batch)
    estimates: Statistics = {}
    for name, norm in norms.items():
        if (values := pooled[norm]).count:
            mean, variance = values.statistics()
            estimates |= {f'{name}.running_mean': mean, f'{name}.running_var': variance}
    return estimates


class _Pooled:
    """Sums over the values that a layer gets, in float64."""

    def __init__(self) -> None:
        self.count = 0
        self.sum = self.squares = torch.zeros(())

    def add(self, norm: _BatchNorm, inputs: tuple[Tensor], output: Tensor) -> None:
        """Add a batch, whose statistics the layer holds after its forward pass."""
        count = output.numel() // output.shape[1]
        assert norm.running_mean is not None
        assert norm.running_var is not None
        mean, unbiased = norm.running_mean.double(), norm.running_var.double()
        self.count += count
        self.sum = self.sum.to(mean) + count * mean
        self.squares = self.squares.to(mean) + (
            (count - 1) * unbiased + count * mean.square()
        )

    def statistics(self) -> tuple[Tensor, Tensor]:
        """Return the mean and the unbiased variance, in float32."""
        mean = self.sum / self.count
        variance = (self.squares - self.count * mean.square()) / (self.count - 1)
        return mean.float(), variance.clamp(min=0).float()


def has_batch_statistics(network: nn.Module) -> bool:
    """Tell whether a network is within :func:`batch_statistics`."""
    return any('forward' in vars(norm) for norm in batch_norms(network).values())


@contextmanager
def batch_statistics(network: nn.Module) -> Iterator[None]:
    """Let a network predict under the statistics of each batch, then restore it.

    Within the block, the running statistics of a layer are those of its last batch.
    """
    norms = set(batch_norms(network).values())
    modes = [(module, module.training) for module in network.modules()]
    kept = {
        n: (n.momentum, {k: b.clone() for k, b in n.named_buffers()}) for n in norms
    }
    network.eval()
    for norm in norms:
        norm.train()
        norm.momentum = 1.0  # the running statistics become those of the batch
        # A layer that averages over ranks would wait for them.
        norm.forward = partial(_BatchNorm.forward, norm)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for norm, (momentum, buffers) in kept.items():
            del norm.forward
            norm.momentum = momentum
            for key, value in buffers.items():
                getattr(norm, key).copy_(value)
        for module, mode in modes:
            module.training = mode
