"""Class centers of both domains, the memory bank of CFContra (section 3.2.2)."""

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from cfcontra_mm.domains import DOMAINS

from .label_grid import labels_on_grid

__all__ = ['ClassCenterBank', 'assign_pseudo_labels', 'class_sums', 'labels_on_grid']


def class_sums(
    features: Tensor, labels: Tensor, num_classes: int, ignore_index: int = 255
) -> tuple[Tensor, Tensor]:
    """Sum and count the features of each class (eqs. 9 and 13-15).

    Args:
        features: One feature per row, (P, D).
        labels: Class of each row, (P,), integers.
        num_classes: Number of classes C.
        ignore_index: Label of the rows to leave out.

    Returns:
        Sums (C, D) and counts (C,), float32.
    """
    rows = labels != ignore_index
    # A one-hot product is several times faster than index_add on CPU and GPU.
    one_hot = torch.zeros(len(labels), num_classes + 1, device=features.device)
    one_hot.scatter_(1, labels.where(rows, num_classes).long()[:, None], 1.0)
    one_hot = one_hot[:, :num_classes]
    with torch.autocast(features.device.type, enabled=False):
        return one_hot.T @ features.float(), one_hot.sum(dim=0)


def assign_pseudo_labels(
    features: Tensor,
    centers: Tensor,
    valid: Tensor,
    threshold: float,
    ignore_index: int = 255,
) -> Tensor:
    """Label each feature with its nearest center, unless it is ambiguous (eqs. 10-12).

    Args:
        features: One feature per row, (P, D).
        centers: One center per class, (C, D).
        valid: Classes that have a center, (C,), bool; the others are never assigned.
        threshold: Euclidean distance by which the second nearest center must be
            farther than the nearest one; other rows are ignored.
        ignore_index: Label of ignored rows.

    Returns:
        Labels (P,), int64. A single valid class is assigned to every row; without a
        valid class every row is ignored.
    """
    # Distances by matrix products are fast, but exact only near the origin.
    origin = (centers * valid[:, None]).sum(dim=0) / valid.sum().clamp(min=1)
    with torch.autocast(features.device.type, enabled=False):
        distances = torch.cdist(
            features.float() - origin,
            centers.float() - origin,
            compute_mode='use_mm_for_euclid_dist',
        )
    # One more column: a single class has a second nearest center too.
    distances = pad(distances.masked_fill(~valid, torch.inf), (0, 1), value=torch.inf)
    nearest, classes = distances.topk(2, dim=1, largest=False)
    # Without a valid class, inf - inf is nan, which is not above the threshold.
    certain = nearest[:, 1] - nearest[:, 0] > threshold
    return classes[:, 0].where(certain, ignore_index)


class ClassCenterBank(nn.Module):
    """One center per class and domain, updated with momentum (eqs. 9 and 13-17).

    A pass only adds to per-class sums and counts (:meth:`accumulate`); the centers
    move when :meth:`update` is called, once an iteration. The center of an absent
    class stays; a class that is seen for the first time takes its mean as its center.

    Attributes:
        centers: Means of the classes' features, (2, C, D), source first.
        initialized: Whether a class has been seen in a domain, (2, C), bool.

    Args:
        num_classes: Number of classes C.
        dim: Number of feature channels D.
        momentum: Share alpha of the old center that is kept (eqs. 16-17), in [0, 1].
    """

    centers: Tensor
    initialized: Tensor
    sums: Tensor
    counts: Tensor

    def __init__(self, num_classes: int, dim: int, momentum: float = 0.9) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.momentum = momentum
        shape = (len(DOMAINS), num_classes)
        self.register_buffer('centers', torch.zeros(*shape, dim))
        self.register_buffer('initialized', torch.zeros(shape, dtype=torch.bool))
        self.register_buffer('sums', torch.zeros(*shape, dim), persistent=False)
        self.register_buffer('counts', torch.zeros(shape), persistent=False)

    def of(self, domain: str) -> tuple[Tensor, Tensor]:
        """Return the centers (C, D) and seen classes (C,) of a domain."""
        row = DOMAINS.index(domain)
        return self.centers[row], self.initialized[row]

    @torch.no_grad()
    def accumulate(self, domain: str, features: Tensor, labels: Tensor) -> None:
        """Add features (P, D) with labels (P,) to the sums of a domain."""
        row = DOMAINS.index(domain)
        sums, counts = class_sums(features.detach(), labels, self.num_classes)
        self.sums[row] += sums
        self.counts[row] += counts

    @torch.no_grad()
    def update(self) -> None:
        """Move the centers by the accumulated means (eqs. 14-17); reset the sums."""
        seen = self.counts > 0
        means = self.sums / self.counts.clamp(min=1)[..., None]
        keep = torch.where(self.initialized, self.momentum, 0.0)[..., None]
        moved = keep * self.centers + (1 - keep) * means
        self.centers.copy_(moved.where(seen[..., None], self.centers))
        self.initialized |= seen
        self.sums.zero_()
        self.counts.zero_()
