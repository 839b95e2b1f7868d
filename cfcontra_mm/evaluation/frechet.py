"""Distance of two sets of images, by the statistics of their features."""

from __future__ import annotations

import torch
from mmengine.evaluator import BaseMetric
from mmseg.registry import METRICS
from torch import Tensor


def frechet_distance(first: Tensor, second: Tensor) -> float:
    r"""Compute the Frechet distance of two sets of vectors, each taken as a Gaussian.

    .. math:: |m_1 - m_2|^2 + \mathrm{tr}(S_1 + S_2 - 2 (S_1 S_2)^{1/2})

    On the features of Inception it is the FID (Heusel et al., *GANs trained by a two
    time-scale update rule*, 2017). Few vectors of many dimensions bias it upwards, so
    compare only sets of the same size.

    Args:
        first: A vector for each image, (N, D).
        second: Likewise, (M, D).

    Returns:
        The distance, at least 0, in squared units of the features.
    """
    first, second = first.double(), second.double()
    means = (first.mean(0) - second.mean(0)).square().sum()
    # With S = R^T R, tr((S_1 S_2)^(1/2)) is the sum of the singular values of
    # R_1 R_2^T. The scaled, centered vectors are such an R; tr(S) sums their squares.
    roots = [(x - x.mean(0)) / (len(x) - 1) ** 0.5 for x in (first, second)]
    traces = sum(root.square().sum() for root in roots)
    mixed = torch.linalg.svdvals(roots[0] @ roots[1].T).sum()
    return max(0.0, (means + traces - 2 * mixed).item())


@METRICS.register_module()
class StyleDistance(BaseMetric):
    """Frechet distances of contents and of translations to the wanted styles.

    They compare the channel statistics of the encoder, by which AdaIN defines style.
    Where the translation takes on the style, ``translated`` is far below ``content``.
    """

    default_prefix = 'style_distance'

    def process(self, data_batch: dict, data_samples: list[dict]) -> None:
        """Keep the statistics of a batch of translations."""
        for sample in data_samples:
            names = ('content', 'style', 'translated')
            self.results.append({n: sample[f'{n}_statistics'] for n in names})

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Compute the distances ``content`` and ``translated``."""
        sets = {n: torch.stack([r[n] for r in results]) for n in results[0]}
        style = sets.pop('style')
        return {name: frechet_distance(x, style) for name, x in sets.items()}
