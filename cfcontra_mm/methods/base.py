"""The contract that every method keeps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from mmengine.optim import OptimWrapper
from mmengine.structures import PixelData
from mmseg.models import EncoderDecoder
from mmseg.models.utils import resize
from mmseg.structures import SegDataSample
from mmseg.utils import add_prefix
from torch import Tensor, nn

from cfcontra_mm.errors import InputError


class DomainInputs(NamedTuple):
    """One domain's share of a batch, without a graph.

    Attributes:
        images: Normalised images, (N, 3, H, W).
        labels: Class of each pixel, (N, H, W), int64; ``None`` for the target.
        data_samples: mmseg's samples, with the metainfo of each image.
    """

    images: Tensor
    labels: Tensor | None
    data_samples: list[SegDataSample]


@dataclass(frozen=True)
class DomainView:
    """One domain's forward pass.

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
        """Class of each pixel, (N, H, W); ``None`` for the target."""
        return self.inputs.labels


class UDASegmentor(EncoderDecoder):
    """A segmentor that learns from a labelled source and an unlabelled target.

    A method overrides :meth:`source_losses`, :meth:`target_losses` or both, and its
    constructor. The training step (:func:`cfcontra_mm.engine.domain_step`) runs the
    source forward and backward, then the target, then one optimiser step; so the two
    may meet only through detached tensors, and the gradients are those of the summed
    loss. At test time a method is its backbone and heads.

    Values whose name contains ``loss`` are summed into the total; others are logged.
    """

    def source_losses(self, source: DomainView) -> dict[str, Tensor]:
        """Losses of the labelled source: by default the supervised loss of each head.

        Args:
            source: The source's forward pass.
        """
        losses = {}
        for name, head in self.heads.items():
            samples = source.inputs.data_samples
            losses |= add_prefix(head.loss_by_feat(source.logits[name], samples), name)
        return losses

    def target_losses(
        self, target: DomainView, source: DomainInputs
    ) -> dict[str, Tensor]:
        """Losses of the unlabelled target; a method without any has no target pass.

        Args:
            target: The target's forward pass.
            source: Images and labels of the source in the same batch.
        """
        return {}

    @property
    def domains(self) -> tuple[str, ...]:
        """The domains that a training step runs, in order."""
        has_target = type(self).target_losses is not UDASegmentor.target_losses
        return ('source', 'target') if has_target else ('source',)

    @property
    def heads(self) -> dict[str, nn.Module]:
        """The heads that give logits, by name."""
        heads = {'decode': self.decode_head}
        if self.with_auxiliary_head:
            heads['aux'] = self.auxiliary_head
        return heads

    def check_heads(self, field: str, names: Iterable[str]) -> None:
        """Make sure that a setting names heads that the network has.

        Args:
            field: Key of the setting in the model's config.
            names: The heads that it names.

        Raises:
            InputError: One of them is not there.
        """
        if not set(names) <= self.heads.keys():
            raise InputError(
                f'model.{field}: names {", ".join(names)}, but the network has '
                f'{", ".join(self.heads)}'
            )

    def view(self, inputs: DomainInputs) -> DomainView:
        """Run the backbone and every head on one domain's images."""
        features = tuple(self.extract_feat(inputs.images))
        size = inputs.images.shape[2:]
        logits = {
            name: resize(
                head(features), size, mode='bilinear', align_corners=head.align_corners
            )
            for name, head in self.heads.items()
        }
        return DomainView(inputs, features, logits)

    def forward(
        self, inputs: Tensor | dict, data_samples: list | None = None, mode='tensor'
    ):
        """One domain's losses, or what mmseg's ``EncoderDecoder`` does.

        Args:
            inputs: With ``mode`` 'source' or 'target' the preprocessed batch, a dict of
                both domains; else images (N, 3, H, W).
            data_samples: mmseg's samples, in mmseg's modes.
            mode: 'source', 'target', or mmseg's 'tensor', 'predict', 'loss'.
        """
        if mode not in ('source', 'target'):
            return super().forward(inputs, data_samples, mode)
        source = domain_inputs(inputs, 'source')
        if mode == 'source':
            return add_prefix(self.source_losses(self.view(source)), 'source')
        target = self.view(domain_inputs(inputs, 'target'))
        losses = self.target_losses(target, source)
        if not any('loss' in name for name in losses):
            # A method that waits still has a backward pass, in which ranks synchronise.
            logits = next(iter(target.logits.values()))
            losses |= dict(loss_none=0 * logits.sum())
        return add_prefix(losses, 'target')

    def predict(self, inputs: Tensor, data_samples: list | None = None) -> list:
        """Predict as mmseg does; whole images also get their :meth:`measured_maps`."""
        if data_samples is None or self.test_cfg['mode'] != 'whole':
            return super().predict(inputs, data_samples)
        features = self.extract_feat(inputs)
        scores = self.decode_head(features)
        metas = [sample.metainfo for sample in data_samples]
        logits = self.decode_head.predict_by_feat(scores, metas)
        predictions = self.postprocess_result(logits, data_samples)
        for name, maps in self.measured_maps(features, scores).items():
            for sample, image_map in zip(predictions, maps, strict=True):
                sample.set_data({name: PixelData(data=image_map)})
        return predictions

    def measured_maps(
        self, features: tuple[Tensor, ...], scores: Tensor
    ) -> dict[str, Tensor]:
        """Maps (N, 1, h, w) that are there to be measured; no prediction uses them.

        Args:
            features: Feature maps of the backbone.
            scores: Logits of the main head at its own size, (N, C, h, w).

        Returns:
            ``head_agreement`` where there is an auxiliary head: whether it has the
            same class as the main head.
        """
        if not self.with_auxiliary_head:
            return {}
        head = self.auxiliary_head
        others = resize(
            head(features),
            scores.shape[2:],
            mode='bilinear',
            align_corners=head.align_corners,
        )
        same = scores.argmax(dim=1, keepdim=True) == others.argmax(dim=1, keepdim=True)
        return dict(head_agreement=same)

    def train_step(self, data: dict, optim_wrapper: OptimWrapper) -> dict[str, Tensor]:
        """One optimiser step over both domains; returns the values to log."""
        # The engine stands above the methods; mmengine calls the step on the model.
        from cfcontra_mm.engine.step import domain_step

        return domain_step(self, data, optim_wrapper)


def domain_inputs(batch: dict, domain: str) -> DomainInputs:
    """One domain's share of a preprocessed batch.

    Raises:
        ValueError: If a target sample carries labels.
    """
    images, samples = batch[domain]['inputs'], batch[domain]['data_samples']
    if domain == 'target':
        if any('gt_sem_seg' in sample for sample in samples):
            raise ValueError('a target sample carries labels during training')
        return DomainInputs(images, None, samples)
    labels = torch.cat([sample.gt_sem_seg.data for sample in samples])
    return DomainInputs(images, labels, samples)
