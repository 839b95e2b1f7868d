"""Input and output of the passes of a training step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from cfcontra_mm.errors import InputError


class DomainInputs(NamedTuple):
    """Input of a pass, without a graph.

    Attributes:
        images: Normalised images, (N, 3, H, W).
        labels: Class of each pixel, (N, H, W), int64; ``None`` for the raw target.
        data_samples: Samples of mmseg, with the metainfo of each image.
        weights: Weight of each pixel's label, (N, H, W); ``None`` for 1 everywhere.
    """

    images: Tensor
    labels: Tensor | None
    data_samples: list[SegDataSample]
    weights: Tensor | None = None

    def required_labels(self) -> Tensor:
        """Return the labels, for a loss that needs them.

        Raises:
            InputError: The pass has no labels.
        """
        if self.labels is None:
            raise InputError(
                'a pass without labels has no supervised loss; set the labels of its '
                'DomainInputs in passes()'
            )
        return self.labels


@dataclass(frozen=True)
class DomainView:
    """Output of a forward pass.

    Attributes:
        inputs: Input of the pass.
        features: Feature maps of the backbone, the deepest last, (N, D, h, w) each.
        logits: Logits of every head at label size, (N, C, H, W), by the head's name:
            ``'decode'``, and ``'aux'`` for an auxiliary head, unless the method has
            heads of its own (:attr:`UDASegmentor.heads`).
    """

    inputs: DomainInputs
    features: tuple[Tensor, ...]
    logits: dict[str, Tensor]

    @property
    def images(self) -> Tensor:
        """Normalised images, (N, 3, H, W)."""
        return self.inputs.images

    @property
    def labels(self) -> Tensor | None:
        """Class of each pixel, (N, H, W); ``None`` for the raw target."""
        return self.inputs.labels

    @property
    def weights(self) -> Tensor | None:
        """Weight of each pixel's label, (N, H, W); ``None`` for 1 everywhere."""
        return self.inputs.weights


class Method(Protocol):
    """Interface of a method that a training step uses.

    Attributes:
        data_preprocessor: Module that splits a batch by domain and normalises it.
    """

    data_preprocessor: nn.Module

    def passes(
        self, source: DomainInputs | None, target: DomainInputs | None
    ) -> dict[str, DomainInputs]:
        """Make the input of each pass."""

    def parse_losses(
        self, losses: dict[str, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the sum of the losses, and the values to log."""


def required(domain: str, inputs: DomainInputs | None) -> DomainInputs:
    """Return a domain's share of a batch, for a method that needs it.

    Raises:
        InputError: The batch has no sample of the domain.
    """
    if inputs is None:
        raise InputError(
            f'a training batch holds no {domain} sample: train_dataloader.sampler.'
            f'per_domain must name the {domain} and add up to train_dataloader.'
            'batch_size'
        )
    return inputs


def domain_inputs(batch: dict, domain: str) -> DomainInputs | None:
    """Return a domain's share of a preprocessed batch, ``None`` if it has none.

    Raises:
        ValueError: A target sample has labels.
    """
    if domain not in batch:
        return None
    images, samples = batch[domain]['inputs'], batch[domain]['data_samples']
    if domain == 'target':
        if any('gt_sem_seg' in sample for sample in samples):
            raise ValueError('a target sample has labels during training')
        return DomainInputs(images, None, samples)
    labels = torch.cat([sample.gt_sem_seg.data for sample in samples])
    return DomainInputs(images, labels, samples)
