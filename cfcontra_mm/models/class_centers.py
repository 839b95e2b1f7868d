"""Class centers of both domains: the memory bank of CFContra (section 3.2.2)."""

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from cfcontra_mm.domains import DOMAINS


def class_sums(
    features: Tensor, labels: Tensor, num_classes: int, ignore_index: int = 255
) -> tuple[Tensor, Tensor]:
    """Sum the features of each class: numerator and denominator of eqs. 9 and 13-15.

    Args:
        features: One feature per row, (P, D).
        labels: Class of each row, (P,), integers.
        num_classes: Number of classes C.
        ignore_index: Label of rows that take no part.

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
        threshold: A row whose second nearest center is not farther than its nearest
            by more than this (Euclidean) distance is ignored.
        ignore_index: Label of ignored rows.

    Returns:
        Labels (P,), int64. With a single valid class every row gets it; with none
        every row is ignored.
    """
    # The product form of the distance is fast, and exact near the origin only.
    origin = (centers * valid[:, None]).sum(dim=0) / valid.sum().clamp(min=1)
    with torch.autocast(features.device.type, enabled=False):
        distances = torch.cdist(
            features.float() - origin,
            centers.float() - origin,
            compute_mode='use_mm_for_euclid_dist',
        )
    # One column more, so that a second nearest exists with a single class too.
    distances = pad(distances.masked_fill(~valid, torch.inf), (0, 1), value=torch.inf)
    nearest, classes = distances.topk(2, dim=1, largest=False)
    # inf - inf, where no class is valid, is nan and compares as not certain.
    certain = nearest[:, 1] - nearest[:, 0] > threshold
    return classes[:, 0].where(certain, ignore_index)


class ClassCenterBank(nn.Module):
    """One center per class and domain, moved with momentum (eqs. 9 and 13-17).

    A pass only adds to per-class sums and counts (:meth:`accumulate`); the centers
    move when :meth:`update` is called, once an iteration. A class that is absent
    does not move; the first time that a class is seen it takes its mean whole.

    Attributes:
        centers: Means of the classes' features, (2, C, D), source first.
        initialized: Whether a class has been seen in a domain, (2, C), bool.

    Args:
        num_classes: Number of classes C.
        dim: Number of feature channels D.
        momentum: Share alpha of the old center that is kept (eqs. 16-17), in [0, 1].
    """

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
        """The centers (C, D) and seen classes (C,) of 'source' or 'target'."""
        row = DOMAINS.index(domain)
        return self.centers[row], self.initialized[row]

    @torch.no_grad()
    def accumulate(self, domain: str, features: Tensor, labels: Tensor) -> None:
        """Add features (P, D) with labels (P,) to the domain's sums."""
        row = DOMAINS.index(domain)
        sums, counts = class_sums(features.detach(), labels, self.num_classes)
        self.sums[row] += sums
        self.counts[row] += counts

    @torch.no_grad()
    def update(self) -> None:
        """Move the centers by what was accumulated (eqs. 14-17) and start anew."""
        seen = self.counts > 0
        means = self.sums / self.counts.clamp(min=1)[..., None]
        keep = torch.where(self.initialized, self.momentum, 0.0)[..., None]
        moved = keep * self.centers + (1 - keep) * means
        self.centers.copy_(moved.where(seen[..., None], self.centers))
        self.initialized |= seen
        self.sums.zero_()
        self.counts.zero_()
