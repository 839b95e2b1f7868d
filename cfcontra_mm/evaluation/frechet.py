"""How far two sets of pictures lie apart, by the statistics of their features."""

from __future__ import annotations

import torch
from mmengine.evaluator import BaseMetric
from mmseg.registry import METRICS
from torch import Tensor


def frechet_distance(first: Tensor, second: Tensor) -> float:
    """Frechet distance of two sets of vectors, each taken as one Gaussian.

        |m_1 - m_2|^2 + tr(S_1 + S_2 - 2 (S_1 S_2)^(1/2))

    (Heusel et al., *GANs trained by a two time-scale update rule*, 2017, whose FID it
    is on features of Inception). Few vectors of many dimensions bias it upwards, so
    compare only sets of one size.

    Args:
        first: One vector a picture, (N, D).
        second: (M, D).

    Returns:
        The distance, at least 0, in the features' unit squared.
    """
    first, second = first.double(), second.double()
    means = (first.mean(0) - second.mean(0)).square().sum()
    # With S = R^T R, tr((S_1 S_2)^(1/2)) is the sum of the singular values of
    # R_1 R_2^T; the centered vectors are such an R, and tr(S) is their squared length.
    roots = [(x - x.mean(0)) / (len(x) - 1) ** 0.5 for x in (first, second)]
    traces = sum(root.square().sum() for root in roots)
    mixed = torch.linalg.svdvals(roots[0] @ roots[1].T).sum()
    return max(0.0, (means + traces - 2 * mixed).item())


@METRICS.register_module()
class StyleDistance(BaseMetric):
    """Frechet distance of contents and of translations to the styles wanted.

    Of the encoder's channel statistics, which are what AdaIN takes style to be. A
    translation that takes on the style has ``translated`` far below ``content``.
    """

    default_prefix = 'style_distance'

    def process(self, data_batch: dict, data_samples: list[dict]) -> None:
        """Keep the statistics of a batch of translations."""
        for sample in data_samples:
            names = ('content', 'style', 'translated')
            self.results.append({n: sample[f'{n}_statistics'] for n in names})

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """The two distances, of contents and of translations."""
        sets = {n: torch.stack([r[n] for r in results]) for n in results[0]}
        style = sets.pop('style')
        return {name: frechet_distance(x, style) for name, x in sets.items()}
