"""Focal loss over classes (Lin et al., ICCV 2017)."""

from torch import Tensor
from torch.nn.functional import cross_entropy


def focal_loss(
    logits: Tensor, labels: Tensor, gamma: float, ignore_index: int = 255
) -> Tensor:
    r"""Compute the cross-entropy with less weight on well classified pixels.

    .. math:: -\overline{(1 - p_y)^\gamma \log p_y}

    Args:
        logits: Scores before the softmax, (N, C, H, W).
        labels: Class y of each pixel, (N, H, W), integers.
        gamma: Exponent; 0 gives the cross-entropy.
        ignore_index: Label of the pixels to leave out.

    Returns:
        Float32 scalar, the mean over the labelled pixels; 0 if there is none.
    """
    entropy = cross_entropy(
        logits.float(), labels, ignore_index=ignore_index, reduction='none'
    )
    labelled = labels != ignore_index
    # The floor keeps the gradient of the power finite where the class is certain.
    miss = (-(-entropy).expm1()).clamp(min=1e-7)
    return (miss**gamma * entropy).sum() / labelled.sum().clamp(min=1)
