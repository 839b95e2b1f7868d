"""Style transfer by adaptive instance normalisation (CFContra, section 3.2.1)."""

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
    """Give content features the channel statistics of style features (eqs. 4-5).

    Mean and standard deviation are those of each channel of each image; the variance is
    unbiased.

    Args:
        content: Content features, (N, C, H, W).
        style: Style features, (N, C, h, w), of any height and width.
        eps: Added to the variances.

    Returns:
        Features, (N, C, H, W), in the content's dtype.
    """
    return _restyle(content, channel_statistics(style, eps), eps)


def _restyle(content: Tensor, style: Statistics, eps: float = 1e-5) -> Tensor:
    mean, std = channel_statistics(content, eps)
    return ((content - mean) / std * style.std + style.mean).to(content.dtype)


@MODELS.register_module()
class StylePreprocessor(DomainPreprocessor):
    """Pair the images of the two domains as content and style, RGB in [0, 1].

    In training each domain gives its style to the other, so that one decoder learns
    both directions; in validation the source is the content and the target the style.
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
            ``content`` and ``style``, RGB in [0, 1], (N, 3, H, W) each.
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
    """Translate an image by decoding its features with the statistics of another image.

    Huang and Belongie, *Arbitrary style transfer in real-time with adaptive instance
    normalization*, ICCV 2017, as CFContra uses it. Only the decoder is trained:

        t = AdaIN(f_content, f_style)                                  eqs. 4-5
        L = L_content(f(g(t)), t) + style_weight * L_style             eqs. 6-7

    with f the encoder, g the decoder, L_content at the deepest stage of the encoder
    and L_style at all stages.

    Args:
        encoder: Config of a :class:`VGGEncoder`, which the decoder mirrors.
        style_weight: Weight of eq. 7; that of eq. 6 is 1.
        identity_weight: Weight of the mean squared difference between an image and the
            decoding of its own features. Not part of the paper: an encoder trained on
            little data ignores some colours, which eqs. 6-7 then do not constrain.
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
        """Translate the content images to the style of the style images.

        Args:
            content: RGB in [0, 1], (N, 3, H, W); H and W larger than the stride.
            style: RGB in [0, 1], (N, 3, h, w); h and w may differ from H and W.
            alpha: Strength of the style, from 0 (that of the content) to 1.
            mode: ``'tensor'``, ``'loss'`` or ``'predict'``.

        Returns:
            With mode ``'tensor'`` the translated images, about in [0, 1], (N, 3, H, W);
            with ``'loss'`` the losses of the batch; with ``'predict'`` a dict for each
            image with the content, the style, the translation and their statistics.

        Raises:
            InputError: An image is too small.
        """
        if mode == 'loss':
            return self._losses(content, style)
        translated = self.translate(content, self.statistics(style), alpha)
        if mode == 'tensor':
            return translated
        images = dict(content=content, style=style, translated=translated)
        return self._samples(images)

    def statistics(self, style: Tensor) -> Statistics:
        """Compute the channel statistics of style images for :meth:`translate`.

        Args:
            style: RGB in [0, 1], (N, 3, h, w).

        Raises:
            InputError: An image is too small.
        """
        return channel_statistics(self._encode(style)[-1])

    def translate(
        self, content: Tensor, style: Statistics, alpha: float = 1.0
    ) -> Tensor:
        """Translate the content images to a style given by its statistics.

        Args:
            content: RGB in [0, 1], (N, 3, H, W); H and W larger than the stride.
            style: What :meth:`statistics` returns, for N images or for one.
            alpha: Strength of the style, from 0 to 1.

        Returns:
            The translated images, about in [0, 1], (N, 3, H, W).

        Raises:
            InputError: An image is too small.
        """
        features = self._encode(content)[-1]
        wanted = torch.lerp(features, _restyle(features, style), alpha)
        return self._decode(wanted, content)

    def _encode(self, images: Tensor) -> tuple[Tensor, ...]:
        if min(images.shape[2:]) <= self.encoder.stride:
            height, width = images.shape[2:]
            raise InputError(
                f'image size {width}x{height}: style transfer needs more than '
                f'{self.encoder.stride} pixels each way; remove or enlarge the image'
            )
        return self.encoder(images)

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
        """Decode features to images, cropped to the size of ``like``."""
        height, width = like.shape[2:]
        # Pooling has rounded an odd size up, at the lower right.
        return self.decoder(features)[:, :, :height, :width]

    def _samples(self, images: dict[str, Tensor]) -> list[dict]:
        """Split batches into a dict per image, and add the statistics as vectors."""
        styles = {
            f'{name}_statistics': torch.cat(self.statistics(batch), dim=1).flatten(1)
            for name, batch in images.items()
        }
        values = images | styles
        number = len(images['content'])
        return [{name: v[i].cpu() for name, v in values.items()} for i in range(number)]
