"""DACS: domain adaptation via cross-domain mixed sampling (Tranheden et al., 2021)."""

from __future__ import annotations

from typing import Any

from mmengine.dist import all_reduce
from mmseg.registry import MODELS
from torch import Tensor

from cfcontra_mm.datasets.mixing import class_mix_mask, paste
from cfcontra_mm.datasets.strong_augmentation import strong_augmentation
from cfcontra_mm.errors import InputError
from cfcontra_mm.models.teacher import Teacher

from .base import DomainInputs, DomainView, UDASegmentor, required


@MODELS.register_module()
class DACS(UDASegmentor):
    r"""Self-training on target images with pasted classes of a source image.

    .. math::
        L = L_{CE}(x_s, y_s) + \overline{w \, L_{CE}(x_m, y_m)}, \qquad
        x_m = m x_s + (1 - m) x_t, \quad y_m = m y_s + (1 - m) \hat y_t

    where m is the mask of half of the classes of :math:`x_s`, and :math:`\hat y_t` is
    the teacher's prediction for :math:`x_t`. The weight w is 1 on the source's pixels;
    on the target's it is the share of the batch's pixels for which the probability of
    the prediction is at least the threshold. :math:`x_m` is strongly augmented.

    Differences from the published code, so that all methods share their conditions:
    whole images of 1280x640, not crops of 512; there is a classifier on conv4 with
    weight 0.1, as in every method; the weights start from ImageNet, not ImageNet and
    COCO; training stops at 120k iterations, not 250k.

    Args:
        momentum: Momentum of the teacher; published: 0.99.
        threshold: Probability from which a prediction is confident; published: 0.968.
        **kwargs: As for mmseg's ``EncoderDecoder``.
    """

    def __init__(
        self, momentum: float = 0.99, threshold: float = 0.968, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.threshold = threshold
        self.teacher = Teacher(self, momentum, after_step=True)

    def passes(
        self, source: DomainInputs | None, target: DomainInputs | None
    ) -> dict[str, DomainInputs]:
        """Return the source, and the mixed images with their labels and weights."""
        source, target = required('source', source), required('target', target)
        if source.images.shape != target.images.shape:
            raise InputError(
                'DACS mixes pairs of images: set per_domain and the size of images to '
                'the same values for both domains'
            )
        self.teacher.follow(self)
        true_labels = source.required_labels()
        pseudo_labels, share = self.pseudo_labels(target.images)
        mask = class_mix_mask(true_labels, source.data_samples)
        norm = self.data_preprocessor
        images = paste(mask, source.images, target.images)
        images = strong_augmentation(images, target.data_samples, norm.mean, norm.std)
        labels = paste(mask, true_labels, pseudo_labels)
        weights = share.expand(mask.shape).where(~mask, 1.0)
        mixed = DomainInputs(images, labels, target.data_samples, weights)
        return dict(source=source, mixed=mixed)

    def mixed_losses(self, mixed: DomainView) -> dict[str, Tensor]:
        """Compute the weighted loss of each head on the mixed images."""
        return self.supervised_losses(mixed)

    def pseudo_labels(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the teacher's classes (N, H, W), and the share of confident pixels.

        The share is that of the whole batch, over all ranks.
        """
        logits = self.teacher(self, images)
        probability, labels = logits.float().softmax(dim=1).max(dim=1)
        share = (probability >= self.threshold).float().mean()
        all_reduce(share, op='mean')
        return labels, share
