"""Counts that a mean is divided by, over all ranks."""

import torch.distributed as dist
from torch import Tensor


def mean_over_ranks(count: Tensor) -> Tensor:
    """Average over the ranks what a loss divides by.

    The ranks average their gradients. If each divided by its own number of labelled
    pixels, a rank with few of them would weigh each of its pixels more; divided by the
    mean number, n ranks with k images each train as one rank with n * k.

    Args:
        count: A number of this rank, such as that of its labelled pixels; a scalar.

    Returns:
        The mean; ``count`` itself without a process group.
    """
    if not dist.is_available() or not dist.is_initialized():
        return count
    total = count.detach().clone()
    dist.all_reduce(total)
    return total / dist.get_world_size()
