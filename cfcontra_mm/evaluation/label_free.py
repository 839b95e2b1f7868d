"""Scores that rate a checkpoint without labels, to select one where there are none."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from mmengine.evaluator import BaseMetric
from mmseg.registry import METRICS
from torch import Tensor
from torch.nn.functional import normalize

# On ToyStreets the means over all pixels differ from theirs by less than 0.001.
PIXELS = 4096
# As published for segmentation; the density grows with their number.
DENSITY_PIXELS = 100
TEMPERATURE = 0.05


@METRICS.register_module()
class LabelFreeScores(BaseMetric):
    r"""Scores of the predictions p on the target; higher should be better.

    With H the entropy, divided by the logarithm of the number of classes, and a bar for
    the mean over a grid of pixels of every image:

    .. math::
        \text{certainty} = 1 - \overline{H(p)}, \qquad
        \text{information} = H(\bar p) - \overline{H(p)},

    the entropy of the predictions and their information maximisation, which does not
    reward a collapse to one class (as validators: Musgrave et al., *Three new
    validators*, 2022). ``density`` is the mean of :func:`soft_neighborhood_density`
    over the images. ``agreement`` is the share of pixels to which the main and the
    auxiliary head give the same pseudo-label; where they differ, the prediction tends
    to be wrong (Zheng and Yang, *Rectifying pseudo label learning via uncertainty
    estimation*, 2021). A network with one head has none.

    An image has the same weight in any batch and on any rank. None of the scores is
    known to rank the checkpoints of every method well; measure it with
    :func:`cfcontra_mm.evaluation.spearman`.
    """

    default_prefix = 'target'

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Reduce ``seg_logits`` and ``head_agreement`` of each image to means."""
        for sample in data_samples:
            logits = sample['seg_logits']['data']
            probabilities = _probabilities(logits, PIXELS)
            few = _probabilities(logits, DENSITY_PIXELS)
            means = dict(
                entropy=_entropy(probabilities).mean(),
                prediction=probabilities.mean(0),
                density=soft_neighborhood_density(few),
            )
            if 'head_agreement' in sample:
                agreement = sample['head_agreement']['data']
                means['agreement'] = agreement.double().mean().cpu()
            self.results.append(means)

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Compute the scores from the means over the images."""
        means = {
            name: torch.stack([r[name] for r in results]).mean(0) for name in results[0]
        }
        largest = math.log(len(means['prediction']))
        entropy = means.pop('entropy') / largest
        diversity = _entropy(means.pop('prediction')) / largest
        scores = dict(certainty=1 - entropy, information=diversity - entropy, **means)
        return {name: score.item() for name, score in scores.items()}


def soft_neighborhood_density(probabilities: Tensor) -> Tensor:
    r"""Measure how densely similar predictions surround each prediction.

    .. math::
        P_{ij} = \frac{\exp(\langle f_i, f_j \rangle / \tau)}
            {\sum_{k \neq i} \exp(\langle f_i, f_k \rangle / \tau)}, \qquad
        SND = -\frac{1}{N} \sum_i \sum_{j \neq i} P_{ij} \log P_{ij}

    for the softmax vectors f, scaled to unit length, and :math:`\tau = 0.05` (Saito et
    al., *Tune it the right way*, ICCV 2021, who take the mean over the images, on 100
    random pixels of each; their code for segmentation keeps :math:`j = i`). It is
    highest when all predictions collapse to one class.

    Args:
        probabilities: Softmax of N pixels, at least 2, (N, C).

    Returns:
        The density, a scalar between 0 and log(N - 1).
    """
    unit = normalize(probabilities, dim=1)
    similarity = (unit @ unit.T / TEMPERATURE).fill_diagonal_(-torch.inf)
    return _entropy(similarity.softmax(1)).mean()


def _probabilities(logits: Tensor, pixels: int) -> Tensor:
    """Compute the softmax (P, C), in float64, on a regular grid of pixels.

    Args:
        logits: Logits of an image, (C, H, W).
        pixels: Their approximate number; a smaller image is taken whole.
    """
    step = math.ceil(math.sqrt(logits[0].numel() / pixels))
    grid = logits[:, ::step, ::step].cpu().double()
    return grid.flatten(1).softmax(0).T


def _entropy(probabilities: Tensor) -> Tensor:
    """Compute the entropy of each distribution along the last axis, in nats."""
    return torch.special.entr(probabilities).sum(-1)
