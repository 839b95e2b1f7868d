"""Class-wise InfoNCE against class centers (CFContra eqs. 8 and 18)."""

import torch
from torch import Tensor

from .ranks import mean_over_ranks


def class_contrastive_loss(
    features: Tensor,
    labels: Tensor,
    centers: Tensor,
    valid: Tensor,
    temperature: float = 0.07,
    include_positive: bool = True,
    ignore_index: int = 255,
) -> Tensor:
    r"""Pull each feature to its class center and away from the others (eqs. 8, 18).

    .. math::
        L^i = -\log \frac{\exp(\langle f_i, v_{y_i} \rangle / \tau)}
                         {\sum_k \exp(\langle f_i, v_k \rangle / \tau)}

    averaged over the pixels of all ranks whose label is a valid class. The features and
    centers are not normalised here; the caller does that.

    Args:
        features: One feature per row, (P, D).
        labels: Class of each row, (P,), integers.
        centers: One center per class, (C, D); they get no gradient.
        valid: Classes that have a center, (C,), bool. The others are neither
            positives nor negatives.
        temperature: The temperature tau.
        include_positive: Whether the denominator sums over all valid classes, as in
            InfoNCE, or over the negatives alone, as eq. 8 is printed.
        ignore_index: Label of the rows to leave out.

    Returns:
        Float32 scalar; 0 with zero gradient if no row has a valid label or, without
        the positive, if there is no negative.
    """
    classes = labels.where(labels != ignore_index, 0).long()
    rows = (labels != ignore_index) & valid[classes]
    if not include_positive:
        rows &= valid.sum() > 1
    with torch.autocast(features.device.type, enabled=False):
        # Keeping all rows fixes the shape, which saves the GPU a synchronisation.
        logits = features.float() @ centers.detach().float().T / temperature
    positive = logits.gather(1, classes[:, None])[:, 0]
    candidates = valid.expand_as(logits)
    if not include_positive:
        own = torch.arange(len(valid), device=labels.device) == classes[:, None]
        candidates = candidates & ~own
    # Rows that are left out keep finite logits: a row of -inf has no defined gradient.
    blocked = ~candidates & rows[:, None]
    denominator = logits.masked_fill(blocked, -torch.inf).logsumexp(dim=1)
    loss = (denominator - positive).where(rows, 0)
    number = mean_over_ranks(rows.sum())
    return loss.sum() / number.where(number > 0, 1)
