"""Counts that a mean is divided by, over all ranks."""

from mmengine.dist import all_reduce, get_world_size
from torch import Tensor


def mean_over_ranks(count: Tensor) -> Tensor:
    """Average over the ranks what a loss divides by.

    The ranks average their gradients. If each divided by its own number of labelled
    pixels, a rank with few of them would weigh each of its pixels more; divided by the
    mean number, n ranks with k images each train as one rank with n * k.

    Args:
        count: A number of this rank, such as that of its labelled pixels; a scalar.

    Returns:
        The mean; ``count`` itself if there is one rank.
    """
    ranks = get_world_size()
    if ranks == 1:
        return count
    total = count.detach().clone()
    all_reduce(total)
    return total / ranks
