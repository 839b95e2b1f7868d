"""Base of the registered losses, which configs name, weight and exchange."""

from torch import nn


class WeightedLoss(nn.Module):
    """A loss with a weight and a name.

    Args:
        loss_weight: Factor of the loss.
        loss_name: Key of the loss among the losses of a head or a method.
    """

    def __init__(self, loss_weight: float, loss_name: str) -> None:
        super().__init__()
        self.loss_weight = loss_weight
        self.loss_name = loss_name

    def extra_repr(self) -> str:
        """Return the weight as text."""
        return f'loss_weight={self.loss_weight}'
