"""What goes into a pass of a training step, and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch
from mmseg.structures import SegDataSample
from torch import Tensor

from cfcontra_mm.errors import InputError


class DomainInputs(NamedTuple):
    """What a pass runs on, without a graph.

    Attributes:
        images: Normalised images, (N, 3, H, W).
        labels: Class of each pixel, (N, H, W), int64; ``None`` for the raw target.
        data_samples: mmseg's samples, with the metainfo of each image.
        weights: Weight of each pixel's label, (N, H, W); ``None`` for 1 everywhere.
    """

    images: Tensor
    labels: Tensor | None
    data_samples: list[SegDataSample]
    weights: Tensor | None = None


@dataclass(frozen=True)
class DomainView:
    """One forward pass.

    Attributes:
        inputs: What went in.
        features: Feature maps of the backbone, the deepest last, (N, D, h, w) each.
        logits: Logits of every head at label size, (N, C, H, W), by the head's name:
            'decode', and 'aux' where there is an auxiliary head, unless the method
            names its own (:attr:`UDASegmentor.heads`).
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
    """What a training step asks of a method."""

    def data_preprocessor(self, data: dict, training: bool) -> dict[str, Any]:
        """Move a batch to the device and normalise it, by domain."""

    def passes(
        self, source: DomainInputs | None, target: DomainInputs | None
    ) -> dict[str, DomainInputs]:
        """Say what each pass runs on."""

    def parse_losses(self, losses: dict[str, Tensor]) -> tuple[Tensor, dict]:
        """Sum the losses up; give the sum and the values to log."""


def required(domain: str, inputs: DomainInputs | None) -> DomainInputs:
    """A domain's share of a batch, which must be there.

    Raises:
        InputError: It is not.
    """
    if inputs is None:
        raise InputError(
            f'a training batch holds no {domain} sample: train_dataloader.sampler.'
            f'per_domain must name the {domain} and add up to train_dataloader.'
            'batch_size'
        )
    return inputs


def domain_inputs(batch: dict, domain: str) -> DomainInputs | None:
    """One domain's share of a preprocessed batch, ``None`` if it has none.

    Raises:
        ValueError: If a target sample carries labels.
    """
    if domain not in batch:
        return None
    images, samples = batch[domain]['inputs'], batch[domain]['data_samples']
    if domain == 'target':
        if any('gt_sem_seg' in sample for sample in samples):
            raise ValueError('a target sample carries labels during training')
        return DomainInputs(images, None, samples)
    labels = torch.cat([sample.gt_sem_seg.data for sample in samples])
    return DomainInputs(images, labels, samples)
