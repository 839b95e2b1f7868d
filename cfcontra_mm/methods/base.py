"""The contract that every method keeps."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import torch
from mmengine.optim import OptimWrapper
from mmengine.structures import PixelData
from mmseg.models import EncoderDecoder
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.utils import resize
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from mmseg.utils import add_prefix
from torch import Tensor, nn

from cfcontra_mm.errors import InputError
from cfcontra_mm.models.copied_weights import SegmentorCopy
from cfcontra_mm.models.normalisation import batch_statistics, has_batch_statistics
from cfcontra_mm.models.supervision import supervised_loss
from cfcontra_mm.old_names import old_attributes

from .passes import DomainInputs, DomainView, required

NO_LOSS = 'loss_none'
"""Name of what stands for the losses of a pass that has none to train with."""


class UDASegmentor(EncoderDecoder):
    """Base of the segmentors that learn from a labelled source and unlabelled target.

    A method overrides its constructor and what its losses need: :meth:`passes` returns
    the input of each pass of a training step, and a method ``NAME_losses(view)``
    computes the losses of the pass NAME. The step
    (:func:`cfcontra_mm.engine.domain_step`) runs a forward and a backward pass for each
    of them, then one optimiser step: the gradients are those of the summed loss, and
    only detached tensors may go from one pass to another. At test time only the
    backbone and the heads of a method are used.

    Values whose name contains ``loss`` are summed into the total and logged; all others
    are only logged.

    Attributes:
        own_settings: Prefixes of the dotted keys that a config of the method may set
            beside ``model``; all other settings are the same for every method.
    """

    own_settings: tuple[str, ...] = ()
    _random_state: Tensor

    def __new__(cls, *args: Any, **kwargs: Any) -> UDASegmentor:
        """Store the random state from which the network will be drawn."""
        method = super().__new__(cls)
        object.__setattr__(method, '_random_state', torch.get_rng_state())
        return method

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        torch.set_rng_state(self._random_state)
        super().__init__(*args, **kwargs)
        self._random_state = torch.get_rng_state()
        self._recorded: list[tuple[Tensor, ...]] | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Refuse the ``target_losses(self, source, target)`` of version 0.1."""
        super().__init_subclass__(**kwargs)
        if len(inspect.signature(cls.target_losses).parameters) != 2:
            raise InputError(
                f'{cls.__name__}.target_losses: must take the view alone, (self, '
                'target); compute what it needs of the source in passes()'
            )

    def init_weights(self) -> None:
        """Draw backbone and heads from the seed, whatever was drawn before."""
        torch.set_rng_state(self._random_state)
        super().init_weights()
        for part in self.children():
            if isinstance(part, SegmentorCopy):
                part.start(self)

    def passes(
        self, source: DomainInputs | None, target: DomainInputs | None
    ) -> dict[str, DomainInputs]:
        """Return the input of each pass of a training step, in order.

        Called once a step, without gradient, under the step's seed, which all ranks
        share. Here a method moves its teacher and makes pseudo-labels and mixed or
        masked images. Random numbers of a single image must be drawn under
        :func:`cfcontra_mm.datasets.domain.seeded_as`, or all ranks draw the same. The
        method ``NAME_losses(view)`` computes the losses of the pass NAME.

        Args:
            source: Source samples of the batch, with labels; ``None`` if it has none.
            target: Target samples of the batch, without labels; ``None`` if it has
                none.

        Returns:
            By default the source, and the target if :meth:`target_losses` is defined.

        Raises:
            InputError: The batch has no sample of a domain that the method needs.
        """
        passes = dict(source=required('source', source))
        if type(self).target_losses is not UDASegmentor.target_losses:
            passes['target'] = required('target', target)
        return passes

    def source_losses(self, source: DomainView) -> dict[str, Tensor]:
        """Compute losses of the source: by default the supervised loss of each head.

        Args:
            source: Forward pass of the source.
        """
        return self.supervised_losses(source)

    def target_losses(self, target: DomainView) -> dict[str, Tensor]:
        """Compute losses of the target; a method that defines none has no target pass.

        Args:
            target: Forward pass of the target.
        """
        return {}

    def supervised_losses(self, view: DomainView) -> dict[str, Tensor]:
        """Compute each head's supervised loss with the labels and weights of a pass.

        Raises:
            InputError: The pass has no labels.
        """
        labels = view.inputs.required_labels()
        losses: dict[str, Tensor] = {}
        for name, head in self.heads.items():
            found = supervised_loss(head, view.logits[name], labels, view.weights)
            losses |= add_prefix(found, name)
        return losses

    @property
    def heads(self) -> dict[str, BaseDecodeHead]:
        """The heads that compute logits, by name."""
        heads = {'decode': self.decode_head}
        if self.with_auxiliary_head:
            heads['aux'] = self.auxiliary_head
        return heads

    @property
    def feature_channels(self) -> int:
        """Channels D of the deepest feature map that the main head reads."""
        channels = self.decode_head.in_channels
        return channels if isinstance(channels, int) else channels[-1]

    def build_losses(self, field: str, losses: dict[str, dict]) -> nn.ModuleDict:
        """Build the loss of each head; ``'aux'`` is ignored without an auxiliary head.

        Args:
            field: Key of the losses in the config of the model.
            losses: Configs of the losses, by the head's name.

        Raises:
            InputError: There is no loss, or a loss for an unknown head.
        """
        own = {name: losses[name] for name in losses if name in self.heads}
        if not own or not losses.keys() <= {*self.heads, 'aux'}:
            raise InputError(
                f'model.{field}: has losses of {", ".join(losses) or "no head"}; the '
                f'heads of the network are {", ".join(self.heads)}'
            )
        return nn.ModuleDict({k: MODELS.build(loss) for k, loss in own.items()})

    def extract_feat(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Compute feature maps (N, D, h, w) of images (N, 3, H, W), deepest last."""
        features = tuple(super().extract_feat(inputs))
        if self._recorded is not None:
            self._recorded.append(features)
        return features

    @contextmanager
    def _recording_features(self) -> Iterator[list[tuple[Tensor, ...]]]:
        """Collect the features that are computed within the context."""
        recorded: list[tuple[Tensor, ...]] = []
        self._recorded = recorded
        try:
            yield recorded
        finally:
            self._recorded = None

    def logits(self, images: Tensor) -> Tensor:
        """Compute the logits of the prediction at the size of the images, (N, C, H, W).

        Training, validation, teachers and the export all use ``encode_decode``, as
        here.

        Args:
            images: Normalised images, (N, 3, H, W).
        """
        size = tuple(images.shape[2:])
        meta = dict(img_shape=size, pad_shape=size, ori_shape=size)
        return self.encode_decode(images, [meta] * len(images))

    def view(self, inputs: DomainInputs) -> DomainView:
        """Run the backbone and every head on the images of a pass."""
        with self._recording_features() as recorded:
            logits = dict(decode=self.logits(inputs.images))
        features = recorded[-1] if recorded else self.extract_feat(inputs.images)
        if self.with_auxiliary_head:
            size = inputs.images.shape[2:]
            logits['aux'] = head_logits(self.auxiliary_head, features, size)
        return DomainView(inputs, features, logits)

    def forward(
        self,
        inputs: Tensor | DomainInputs,
        data_samples: list[SegDataSample] | None = None,
        mode: str = 'tensor',
    ) -> Tensor | dict[str, Tensor] | list[SegDataSample]:
        """Compute the losses of a pass, logits, or what mmseg's segmentors do.

        Args:
            inputs: Input of a pass, or images (N, 3, H, W).
            data_samples: Samples of mmseg, for mmseg's modes.
            mode: Name of the pass; ``'logits'`` for :meth:`logits`; or one of mmseg's
                modes, ``'tensor'``, ``'predict'`` and ``'loss'``.
        """
        if isinstance(inputs, DomainInputs):
            return self._pass_losses(mode, inputs)
        if mode == 'logits':
            return self.logits(inputs)
        return super().forward(inputs, data_samples, mode)

    def _pass_losses(self, name: str, inputs: DomainInputs) -> dict[str, Tensor]:
        view = self.view(inputs)
        losses = getattr(self, f'{name}_losses')(view)
        if not any('loss' in k and v.requires_grad for k, v in losses.items()):
            # Ranks synchronise in the backward pass, which must run without a loss too.
            logits = next(iter(view.logits.values()))
            losses |= {NO_LOSS: 0 * logits.sum()}
        return add_prefix(losses, name)

    def predict(
        self, inputs: Tensor, data_samples: list[SegDataSample] | None = None
    ) -> list[SegDataSample]:
        """Predict as mmseg does.

        To predictions of whole images, :meth:`measured_maps` are added, and in a test
        :meth:`training_maps`, for the metrics to compare with the labels.
        """
        if data_samples is None or self.test_cfg['mode'] != 'whole':
            return super().predict(inputs, data_samples)
        with self._recording_features() as recorded:
            predictions = super().predict(inputs, data_samples)
        if not recorded:
            return predictions
        if has_batch_statistics(self):  # being estimated, also those of the embedding
            self.embed(recorded[-1])
            return predictions
        measured = self.measured_maps(recorded[-1])
        if 'gt_sem_seg' in data_samples[0]:  # to compare them with
            measured |= self._training_maps(inputs, data_samples)
        for name, maps in measured.items():
            for sample, image_map in zip(predictions, maps, strict=True):
                sample.set_data({name: PixelData(data=image_map)})
        return predictions

    def measured_maps(self, features: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """Compute maps (N, 1, h, w) for the metrics; the prediction does not use them.

        Args:
            features: Feature maps of the backbone.

        Returns:
            With an auxiliary head ``head_agreement``, bool: whether both heads predict
            the same class, at the size of the main head's logits.
        """
        if not self.with_auxiliary_head:
            return {}
        scores = self.decode_head(features)
        others = head_logits(self.auxiliary_head, features, scores.shape[2:])
        same = scores.argmax(dim=1, keepdim=True) == others.argmax(dim=1, keepdim=True)
        return dict(head_agreement=same)

    def _training_maps(
        self, images: Tensor, data_samples: list[SegDataSample]
    ) -> dict[str, Tensor]:
        if type(self).training_maps is UDASegmentor.training_maps:
            return {}
        # A layer cannot normalise a single value by itself.
        with suppress(ValueError), batch_statistics(self):
            view = self.view(DomainInputs(images, None, data_samples))
            return self.training_maps(view)
        return {}

    def training_maps(self, view: DomainView) -> dict[str, Tensor]:
        """Compute maps (N, 1, h, w) of what training makes, such as pseudo-labels.

        Args:
            view: Forward pass of the images to predict, normalised by their own
                statistics as in training.
        """
        return {}

    def embed(self, features: tuple[Tensor, ...]) -> Tensor:
        """Return the embedding of each pixel, (N, D, h, w): the deepest features.

        Args:
            features: Feature maps of the backbone.
        """
        return features[-1]

    def train_step(self, data: dict, optim_wrapper: OptimWrapper) -> dict[str, Tensor]:
        """Make one optimiser step over all passes; return the values to log."""
        # The engine imports the methods, so this import is here.
        from cfcontra_mm.engine.step import domain_step

        return domain_step(self, data, optim_wrapper)


def head_logits(
    head: BaseDecodeHead, features: tuple[Tensor, ...], size: Sequence[int]
) -> Tensor:
    """Compute the logits of a head, (N, C, H, W), at a given height and width."""
    return resize(
        head(features), size, mode='bilinear', align_corners=head.align_corners
    )


__getattr__ = old_attributes(__name__)
