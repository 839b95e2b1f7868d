"""CFContra: class-wise alignment with a contrast against class centers."""

from __future__ import annotations

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn.functional import interpolate, normalize

from cfcontra_mm.domains import DOMAINS
from cfcontra_mm.errors import InputError
from cfcontra_mm.models.class_centers import ClassCenterBank, assign_pseudo_labels

from .base import DomainInputs, DomainView
from .minent import MinEnt
from .old_settings import with_old


@MODELS.register_module()
class CFContra(MinEnt):
    r"""Coarse-to-fine feature alignment with contrastive learning (Tang et al., 2021).

    .. math::
        L = L_{CE}(x_s, y_s) + \lambda_{ent} E(x_t) + \lambda_{contra} [
            L_c(f_s, V_s) + L_c(f_s, V_t) + L_c(f_t, V_s) + L_c(f_t, V_t)]

    (eqs. 19-20), where :math:`L_c` is the InfoNCE of eq. 8 between unit features f and
    unit class centers V. The target's classes are pseudo-labels (eqs. 10-12). The
    centers need :class:`cfcontra_mm.engine.MemoryBankHook`, which starts and moves
    them.

    Args:
        projection_head: Config of the head that remaps features (Table 1), or ``None``
            for the features themselves.
        loss_contrast: Config of each of the contrast's terms, a
            ``ClassContrastiveLoss``; published: temperature 0.07, weight 1e-3.
        threshold: A target pixel is ignored unless its second nearest source center is
            farther than its nearest by more than this.
        momentum: Momentum alpha of the centers.
        terms: 'all' for the four terms, 'intra' for those within a domain (Table 4).
        normalize_distance: Whether pseudo-labels compare unit features with unit
            centers; without it raw features, as the paper's code does.
        cross_update: Whether each domain's features move both domains' centers, as in
            the paper's code, instead of eqs. 16-17.
        temperature: Old name of ``loss_contrast.temperature``.
        contrast_weight: Old name of ``loss_contrast.loss_weight``.
        include_positive: Old name of ``loss_contrast.include_positive``.
        **kwargs: As for :class:`MinEnt`.

    Raises:
        InputError: ``terms`` is neither.
    """

    own_settings = ('custom_hooks', 'train_dataloader.dataset.source.data_root')

    def __init__(
        self,
        projection_head: dict | None,
        loss_contrast: dict | None = None,
        threshold: float = 0.05,
        momentum: float = 0.9,
        terms: str = 'all',
        normalize_distance: bool = True,
        cross_update: bool = False,
        temperature: float | None = None,
        contrast_weight: float | None = None,
        include_positive: bool | None = None,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        if terms not in ('all', 'intra'):
            raise InputError(f"model.terms: must be 'all' or 'intra', not {terms!r}")
        loss_contrast = with_old(
            'loss_contrast',
            loss_contrast,
            'ClassContrastiveLoss',
            temperature=('temperature', temperature),
            contrast_weight=('loss_weight', contrast_weight),
            include_positive=('include_positive', include_positive),
        )
        self.loss_contrast = MODELS.build(loss_contrast)
        self.projection_head, dim = self._build_head(projection_head)
        self.class_centers = ClassCenterBank(self.num_classes, dim, momentum)
        self.threshold = threshold
        self.terms = terms
        self.normalize_distance = normalize_distance
        self.cross_update = cross_update

    def _build_head(self, cfg: dict | None) -> tuple[nn.Module, int]:
        """The projection head and the channels that it gives."""
        if cfg is None:
            return nn.Identity(), self.feature_channels
        # Drawn aside: a seed starts every method's network from the same weights.
        with torch.random.fork_rng(devices=[]):
            head = MODELS.build(dict(in_channels=self.feature_channels) | cfg)
        return head, head.out_channels

    def embed(self, features: tuple[Tensor, ...]) -> Tensor:
        """Give the remapped features, (N, D, h, w), that centers are compared with."""
        return self.projection_head(features[-1])

    def source_losses(self, source: DomainView) -> dict[str, Tensor]:
        """Supervised losses and the contrast of the source's features."""
        features, labels = self._labelled_pixels('source', source)
        return super().source_losses(source) | self._contrast(
            'source', features, labels
        )

    def target_losses(self, target: DomainView) -> dict[str, Tensor]:
        """Entropy losses and the contrast of the features with a pseudo-label.

        Logs the share of pixels with a pseudo-label as ``pseudo_share``.
        """
        features, labels = self._labelled_pixels('target', target)
        return (
            super().target_losses(target)
            | self._contrast('target', features, labels)
            | {'pseudo_share': (labels != 255).float().mean()}
        )

    def _contrast(self, domain: str, features: Tensor, labels: Tensor) -> dict:
        """The contrast terms of one domain (eq. 19); adds its features to the sums."""
        for moved in DOMAINS if self.cross_update else (domain,):
            self.class_centers.accumulate(moved, features, labels)
        unit = normalize(features.float(), dim=1)
        losses = {}
        for other in DOMAINS if self.terms == 'all' else (domain,):
            centers, valid = self.class_centers.of(other)
            losses[f'{self.loss_contrast.loss_name}_{other}'] = self.loss_contrast(
                unit, labels, normalize(centers, dim=1), valid
            )
        return losses

    def _labelled_pixels(self, domain: str, view: DomainView) -> tuple[Tensor, Tensor]:
        """Remapped features (P, D) and their labels (P,), true or pseudo."""
        remapped = self.embed(view.features)
        pixels = remapped.permute(0, 2, 3, 1).flatten(0, 2)
        if domain == 'target':
            return pixels, self.pseudo_labels(pixels)
        labels = interpolate(view.labels[:, None].float(), remapped.shape[2:])
        return pixels, labels.flatten().long()

    @torch.no_grad()
    def pseudo_labels(self, pixels: Tensor) -> Tensor:
        """Pseudo-labels (P,) of remapped target features (P, D), 255 where unsure."""
        centers, valid = self.class_centers.of('source')
        if self.normalize_distance:
            pixels = normalize(pixels.float(), dim=1)
        return assign_pseudo_labels(
            pixels, normalize(centers, dim=1), valid, self.threshold
        )

    @torch.no_grad()
    def accumulate_centers(self, domain: str, inputs: DomainInputs) -> None:
        """Add a batch's features to the sums of the domain's centers (eqs. 9, 13)."""
        view = DomainView(inputs, tuple(self.extract_feat(inputs.images)), logits={})
        features, labels = self._labelled_pixels(domain, view)
        self.class_centers.accumulate(domain, features, labels)

    def measured_maps(self, features: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """Adds the pseudo-labels ``pseudo_sem_seg``, at feature size (Table 4)."""
        remapped = self.embed(features)
        labels = self.pseudo_labels(remapped.permute(0, 2, 3, 1).flatten(0, 2))
        maps = labels.view(len(remapped), 1, *remapped.shape[2:])
        return super().measured_maps(features) | dict(pseudo_sem_seg=maps)
