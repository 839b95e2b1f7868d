"""Style transfer by the statistics of features (CFContra, section 3.2.1)."""

from __future__ import annotations

import torch
from mmengine.model import BaseModel
from mmseg.registry import MODELS
from torch import Tensor
from torch.nn.functional import mse_loss

from cfcontra_mm.errors import InputError
from cfcontra_mm.losses.style import (
    Statistics,
    channel_statistics,
    content_loss,
    style_loss,
)
from cfcontra_mm.models.data_preprocessor import DomainPreprocessor

from .vgg import VGGDecoder


def adaptive_instance_norm(content: Tensor, style: Tensor, eps: float = 1e-5) -> Tensor:
    """Features of the content with the style's mean and deviation (eqs. 4-5).

    The statistics are each picture's and channel's own; variances are unbiased.

    Args:
        content: (N, C, H, W).
        style: (N, C, h, w), of any height and width.
        eps: Added to the variances.

    Returns:
        (N, C, H, W), in the content's dtype.
    """
    return _restyle(content, channel_statistics(style, eps), eps)


def _restyle(content: Tensor, style: Statistics, eps: float = 1e-5) -> Tensor:
    mean, std = channel_statistics(content, eps)
    return ((content - mean) / std * style.std + style.mean).to(content.dtype)


@MODELS.register_module()
class StylePreprocessor(DomainPreprocessor):
    """Pairs the pictures of the two domains as content and style, RGB in [0, 1].

    In training each domain lends its style to the other, so that one decoder serves
    both directions; in validation the source is the content, the target the style.
    """

    def __init__(self) -> None:
        super().__init__(
            mean=[0.0] * 3, std=[255.0] * 3, bgr_to_rgb=True, size_divisor=1
        )

    def forward(self, data: dict, training: bool = False) -> dict[str, Tensor]:
        """Scale, stack and pair a batch on the device.

        Args:
            data: As for ``DomainPreprocessor``, with samples of both domains.
            training: Whether to pair the domains both ways.

        Returns:
            ``content`` and ``style``, (N, 3, H, W) each.
        """
        batch = super().forward(data, training=True)
        source, target = (batch[name]['inputs'] for name in ('source', 'target'))
        if not training:
            return dict(content=source, style=target)
        return dict(
            content=torch.cat([source, target]), style=torch.cat([target, source])
        )


@MODELS.register_module()
class AdaINStyleTransfer(BaseModel):
    """Decodes a picture's features after giving them another picture's statistics.

    Huang and Belongie, *Arbitrary style transfer in real-time with adaptive instance
    normalization*, 2017, as CFContra uses it. Only the decoder is trained:

        t = AdaIN(f_content, f_style)                                  eqs. 4-5
        L = L_content(f(g(t)), t) + style_weight * L_style             eqs. 6-7

    with f the encoder, g the decoder, L_content at the deepest stage of the encoder
    and L_style at all of them.

    Args:
        encoder: Config of a :class:`VGGEncoder`, whose mirror the decoder is.
        style_weight: Weight of eq. 7; the content's is 1.
        identity_weight: Weight of the mean squared difference between a picture and
            its own features decoded. None of the paper's: an encoder that learnt little
            is blind to some colours, which eqs. 6-7 then leave to chance.
    """

    def __init__(
        self, encoder: dict, style_weight: float, identity_weight: float = 0.0
    ) -> None:
        super().__init__(data_preprocessor=dict(type='StylePreprocessor'))
        self.encoder = MODELS.build(encoder).requires_grad_(False)
        self.decoder = VGGDecoder(self.encoder.channels, self.encoder.convs)
        self.style_weight = style_weight
        self.identity_weight = identity_weight

    def forward(
        self, content: Tensor, style: Tensor, alpha: float = 1.0, mode: str = 'tensor'
    ) -> Tensor | dict[str, Tensor] | list[dict]:
        """Pictures with the content of one batch in the style of another.

        Args:
            content: RGB in [0, 1], (N, 3, H, W), of any size above one stride.
            style: RGB in [0, 1], (N, 3, h, w); h and w may be others.
            alpha: Share of the style, from 0 (the content's own) to 1.
            mode: 'tensor'; or 'loss' for the losses of a batch and 'predict' for what
                validation looks at, a dict a picture.

        Returns:
            With mode 'tensor' the pictures, about [0, 1], (N, 3, H, W).

        Raises:
            InputError: A picture is too small.
        """
        if mode == 'loss':
            return self._losses(content, style)
        translated = self.translate(content, self.statistics(style), alpha)
        if mode == 'tensor':
            return translated
        pictures = dict(content=content, style=style, translated=translated)
        return self._samples(pictures)

    def statistics(self, style: Tensor) -> Statistics:
        """What :meth:`translate` needs of style pictures, RGB in [0, 1]."""
        return channel_statistics(self._encode(style)[-1])

    def translate(
        self, content: Tensor, style: Statistics, alpha: float = 1.0
    ) -> Tensor:
        """As :meth:`forward`, with the style's statistics known."""
        features = self._encode(content)[-1]
        wanted = torch.lerp(features, _restyle(features, style), alpha)
        return self._decode(wanted, content)

    def _encode(self, pictures: Tensor) -> tuple[Tensor, ...]:
        if min(pictures.shape[2:]) <= self.encoder.stride:
            height, width = pictures.shape[2:]
            raise InputError(
                f'a picture of {width}x{height}: style transfer needs more than '
                f'{self.encoder.stride} pixels each way; remove it or enlarge it'
            )
        return self.encoder(pictures)

    def _losses(self, content: Tensor, style: Tensor) -> dict[str, Tensor]:
        with torch.no_grad():
            wanted_style = self._encode(style)
            features = self._encode(content)[-1]
            wanted = adaptive_instance_norm(features, wanted_style[-1])
        found = self._encode(self.decoder(wanted))
        losses = dict(
            loss_content=content_loss(found[-1], wanted),
            loss_style=self.style_weight * style_loss(found, wanted_style),
        )
        if self.identity_weight:
            difference = mse_loss(self._decode(features, content), content)
            losses['loss_identity'] = self.identity_weight * difference
        return losses

    def _decode(self, features: Tensor, like: Tensor) -> Tensor:
        """Pictures of the size of others."""
        height, width = like.shape[2:]
        # Pooling rounded an odd size up at the lower right.
        return self.decoder(features)[:, :, :height, :width]

    def _samples(self, pictures: dict[str, Tensor]) -> list[dict]:
        """A dict a picture set: the pictures, and the style of each as one vector."""
        styles = {
            f'{name}_statistics': torch.cat(self.statistics(batch), dim=1).flatten(1)
            for name, batch in pictures.items()
        }
        values = pictures | styles
        number = len(pictures['content'])
        return [{name: v[i].cpu() for name, v in values.items()} for i in range(number)]
