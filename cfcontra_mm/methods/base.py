"""The contract that every method keeps."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from mmengine.optim import OptimWrapper
from mmengine.structures import PixelData
from mmseg.models import EncoderDecoder
from mmseg.models.utils import resize
from mmseg.registry import MODELS
from mmseg.utils import add_prefix
from torch import Tensor, nn

from cfcontra_mm.errors import InputError
from cfcontra_mm.models.copied_weights import SegmentorCopy
from cfcontra_mm.models.supervision import supervised_loss
from cfcontra_mm.old_names import old_attributes

from .passes import DomainInputs, DomainView, required


class UDASegmentor(EncoderDecoder):
    """A segmentor that learns from a labelled source and an unlabelled target.

    A method overrides what its losses need, and its constructor: :meth:`passes` says
    what the passes of a training step run on, and for each of them a method
    ``NAME_losses(view)`` gives its losses. The step
    (:func:`cfcontra_mm.engine.domain_step`) runs one forward and backward a pass, then
    one optimiser step: the gradients are those of the summed loss, and two passes may
    meet only through detached tensors. At test time a method is its backbone and heads.

    Values whose name contains ``loss`` are summed into the total; others are logged.

    Attributes:
        own_settings: What a config of the method may set beside ``model``, by the
            beginnings of the dotted keys; all else is the same for every method.
    """

    own_settings: tuple[str, ...] = ()

    def __new__(cls, *args, **kwargs) -> UDASegmentor:
        """Remember the random state from which the network will be drawn."""
        method = super().__new__(cls)
        object.__setattr__(method, '_random_state', torch.get_rng_state())
        return method

    def __init__(self, *args, **kwargs) -> None:
        torch.set_rng_state(self._random_state)
        super().__init__(*args, **kwargs)
        self._random_state = torch.get_rng_state()
        self._noted: list[tuple[Tensor, ...]] | None = None

    def __init_subclass__(cls, **kwargs) -> None:
        """Refuse the signature that ``target_losses`` had before there were passes."""
        super().__init_subclass__(**kwargs)
        if len(inspect.signature(cls.target_losses).parameters) != 2:
            raise InputError(
                f'{cls.__name__}.target_losses: takes the view alone, (self, target); '
                'what it needs of the source is made in passes()'
            )

    def init_weights(self) -> None:
        """Draw backbone and heads from the seed, whatever else has been drawn."""
        torch.set_rng_state(self._random_state)
        super().init_weights()
        for part in self.children():
            if isinstance(part, SegmentorCopy):
                part.start(self)

    def passes(
        self, source: DomainInputs | None, target: DomainInputs | None
    ) -> dict[str, DomainInputs]:
        """What each pass of a training step runs on, in order.

        Called once a step, without gradient, under the step's own seed, which all
        ranks share. Teachers move, pseudo-labels, mixed and masked images are made
        here; what is drawn for one image alone belongs under
        :func:`cfcontra_mm.datasets.domain.seeded_as`, else two ranks draw alike. The
        losses of the pass NAME are ``NAME_losses(view)``.

        Args:
            source: The labelled source's share of the batch; ``None`` if it has none.
            target: The target's, whose labels are ``None``.

        Returns:
            By default the source, and the target if :meth:`target_losses` is there.

        Raises:
            InputError: The batch has no sample of a domain that is needed.
        """
        passes = dict(source=required('source', source))
        if type(self).target_losses is not UDASegmentor.target_losses:
            passes['target'] = required('target', target)
        return passes

    def source_losses(self, source: DomainView) -> dict[str, Tensor]:
        """Losses of the labelled source: by default the supervised loss of each head.

        Args:
            source: The source's forward pass.
        """
        return self.supervised_losses(source)

    def target_losses(self, target: DomainView) -> dict[str, Tensor]:
        """Losses of the unlabelled target; a method without any has no target pass.

        Args:
            target: The target's forward pass.
        """
        return {}

    def supervised_losses(self, view: DomainView) -> dict[str, Tensor]:
        """Supervised loss of each head against the labels and weights of a pass.

        Raises:
            InputError: The pass has no labels.
        """
        if view.labels is None:
            raise InputError(
                f'{type(self).__name__}: a pass without labels has no supervised loss; '
                'give its DomainInputs some in passes()'
            )
        losses = {}
        for name, head in self.heads.items():
            found = supervised_loss(head, view.logits[name], view.labels, view.weights)
            losses |= add_prefix(found, name)
        return losses

    @property
    def heads(self) -> dict[str, nn.Module]:
        """The heads that give logits, by name."""
        heads = {'decode': self.decode_head}
        if self.with_auxiliary_head:
            heads['aux'] = self.auxiliary_head
        return heads

    @property
    def feature_channels(self) -> int:
        """Channels of the deepest feature map, of which the main head takes its input.

        Parts of a method that sit on the features size themselves by it.
        """
        channels = self.decode_head.in_channels
        return channels if isinstance(channels, int) else channels[-1]

    def build_losses(self, field: str, losses: dict[str, dict]) -> nn.ModuleDict:
        """Build the loss of each head; one for 'aux' waits for a network that has it.

        Args:
            field: Key of the losses in the model's config.
            losses: Configs of losses by the head's name.

        Raises:
            InputError: There is none for a head of the network, or one for another.
        """
        own = {name: losses[name] for name in losses if name in self.heads}
        if not own or not losses.keys() <= {*self.heads, 'aux'}:
            raise InputError(
                f'model.{field}: names {", ".join(losses) or "no head"}, but the '
                f'network has {", ".join(self.heads)}'
            )
        return nn.ModuleDict({k: MODELS.build(loss) for k, loss in own.items()})

    def extract_feat(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Feature maps of images (N, 3, H, W), the deepest last, (N, D, h, w) each."""
        features = tuple(super().extract_feat(inputs))
        if self._noted is not None:
            self._noted.append(features)
        return features

    @contextmanager
    def _noting_features(self) -> Iterator[list[tuple[Tensor, ...]]]:
        """Collect the features that are computed within."""
        self._noted = noted = []
        try:
            yield noted
        finally:
            self._noted = None

    def logits(self, images: Tensor) -> Tensor:
        """Logits of the prediction at the images' size, (N, C, H, W).

        The one way from images to logits is ``encode_decode``: training, validation,
        teachers and the export all take it.

        Args:
            images: Normalised images, (N, 3, H, W).
        """
        size = tuple(images.shape[2:])
        meta = dict(img_shape=size, pad_shape=size, ori_shape=size)
        return self.encode_decode(images, [meta] * len(images))

    def view(self, inputs: DomainInputs) -> DomainView:
        """Run the backbone and every head on the images of a pass."""
        with self._noting_features() as noted:
            logits = dict(decode=self.logits(inputs.images))
        features = noted[-1] if noted else self.extract_feat(inputs.images)
        if self.with_auxiliary_head:
            size = inputs.images.shape[2:]
            logits['aux'] = head_logits(self.auxiliary_head, features, size)
        return DomainView(inputs, features, logits)

    def forward(
        self,
        inputs: Tensor | DomainInputs,
        data_samples: list | None = None,
        mode='tensor',
    ):
        """The losses of a pass, logits, or what mmseg's ``EncoderDecoder`` does.

        Args:
            inputs: What a pass runs on, else images (N, 3, H, W).
            data_samples: mmseg's samples, in mmseg's modes.
            mode: The name of the pass; 'logits' for :meth:`logits`; or mmseg's
                'tensor', 'predict', 'loss'.
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
            # A method that waits still has a backward pass, in which ranks synchronise.
            logits = next(iter(view.logits.values()))
            losses |= dict(loss_none=0 * logits.sum())
        return add_prefix(losses, name)

    def predict(self, inputs: Tensor, data_samples: list | None = None) -> list:
        """Predict as mmseg does; whole images also get their :meth:`measured_maps`."""
        if data_samples is None or self.test_cfg['mode'] != 'whole':
            return super().predict(inputs, data_samples)
        with self._noting_features() as noted:
            predictions = super().predict(inputs, data_samples)
        measured = self.measured_maps(noted[-1]) if noted else {}
        for name, maps in measured.items():
            for sample, image_map in zip(predictions, maps, strict=True):
                sample.set_data({name: PixelData(data=image_map)})
        return predictions

    def measured_maps(self, features: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """Maps (N, 1, h, w) that are there to be measured; no prediction uses them.

        Args:
            features: Feature maps of the backbone.

        Returns:
            ``head_agreement`` where there is an auxiliary head: whether it has the
            same class as the main head, at the main head's size.
        """
        if not self.with_auxiliary_head:
            return {}
        scores = self.decode_head(features)
        others = head_logits(self.auxiliary_head, features, scores.shape[2:])
        same = scores.argmax(dim=1, keepdim=True) == others.argmax(dim=1, keepdim=True)
        return dict(head_agreement=same)

    def embed(self, features: tuple[Tensor, ...]) -> Tensor:
        """Give what the method compares pixels by, (N, D, h, w): the deepest features.

        Args:
            features: Feature maps of the backbone.
        """
        return features[-1]

    def train_step(self, data: dict, optim_wrapper: OptimWrapper) -> dict[str, Tensor]:
        """One optimiser step over all passes; returns the values to log."""
        # The one import that goes up: MMEngine calls the step on the model.
        from cfcontra_mm.engine.step import domain_step

        return domain_step(self, data, optim_wrapper)


def head_logits(
    head: nn.Module, features: tuple[Tensor, ...], size: Iterable[int]
) -> Tensor:
    """Logits of a head, (N, C, H, W), at a given height and width."""
    return resize(
        head(features), size, mode='bilinear', align_corners=head.align_corners
    )


__getattr__ = old_attributes(
    __name__, {'domain_inputs': 'cfcontra_mm.methods.passes.domain_inputs'}
)
