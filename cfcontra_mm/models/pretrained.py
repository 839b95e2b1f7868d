"""Backbones of MMSegmentation and timm that start from a file of weights."""

from __future__ import annotations

from functools import partial
from typing import Any

from mmseg.models.backbones import MixVisionTransformer, TIMMBackbone, timm_backbone
from mmseg.registry import MODELS
from torch import nn

from cfcontra_mm.errors import InputError

from .weights import load_start, read_weights

FIELD = 'model.backbone.weights'


@MODELS.register_module()
class MiT(MixVisionTransformer):
    """mmseg's ``MixVisionTransformer``, the encoder of SegFormer.

    Args:
        weights: Initial weights: file or URL of weights by mmseg's names; ``None`` for
            random weights.
        **kwargs: As for mmseg's ``MixVisionTransformer``.

    Raises:
        InputError: On ``init_weights``, if the weights cannot be read or do not fit.
    """

    def __init__(self, weights: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.weights = weights

    def init_weights(self) -> None:
        """Initialise at random, then load ``weights``."""
        super().init_weights()
        if self.weights is not None:
            state = read_weights(self.weights, FIELD)
            load_start(self, state, self.weights, 'this MiT')


@MODELS.register_module()
class TimmFeatures(TIMMBackbone):
    """mmseg's ``TIMMBackbone``: the feature maps of one of timm's networks.

    Args:
        model_name: timm's name of the network.
        weights: Initial weights: file or URL of weights by timm's names; ``None`` for
            random weights.
        **kwargs: As for mmseg's ``TIMMBackbone``.

    Raises:
        InputError: timm is not installed; or, on ``init_weights``, the weights
            cannot be read or do not fit.
    """

    def __init__(
        self, model_name: str, weights: str | None = None, **kwargs: Any
    ) -> None:
        if timm_backbone.timm is None:
            raise InputError(
                f"model.backbone: {model_name} needs timm; pip install 'cfcontra-mm"
                "[timm]'"
            )
        super().__init__(model_name, pretrained=False, **kwargs)
        self.weights = weights
        self._rebuild = partial(TIMMBackbone, model_name, pretrained=False, **kwargs)

    @property
    def network(self) -> nn.Module:
        """The network of timm itself, whose weights have timm's names."""
        features: nn.Module = self.timm_model
        return getattr(features, 'model', features)

    def init_weights(self) -> None:
        """Initialise at random, then load ``weights``."""
        super().init_weights()
        # timm draws the weights of a network only when it builds the network.
        self.load_state_dict(self._rebuild().state_dict())
        if self.weights is not None:
            state = read_weights(self.weights, FIELD)
            load_start(self.network, state, self.weights, 'this network')
