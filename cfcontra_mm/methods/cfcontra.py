"""CFContra: class-wise alignment with a contrastive loss against class centers."""

from __future__ import annotations

from typing import Any

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn.functional import interpolate, normalize

from cfcontra_mm.domains import DOMAINS
from cfcontra_mm.errors import InputError
from cfcontra_mm.models.class_centers import ClassCenterBank, assign_pseudo_labels

from .base import DomainInputs, DomainView
from .minent import MinEnt
from .old_settings import apply_old_settings


@MODELS.register_module()
class CFContra(MinEnt):
    r"""Coarse-to-fine feature alignment with contrastive learning (Tang et al., 2021).

    .. math::
        L = L_{CE}(x_s, y_s) + \lambda_{ent} E(x_t) + \lambda_{contra} [
            L_c(f_s, V_s) + L_c(f_s, V_t) + L_c(f_t, V_s) + L_c(f_t, V_t)]

    (eqs. 19-20), where :math:`L_c` is the InfoNCE of eq. 8 between unit features f and
    unit class centers V. The target's labels are pseudo-labels (eqs. 10-12). The config
    needs :class:`cfcontra_mm.engine.MemoryBankHook`, which initialises and updates the
    centers.

    Args:
        projection_head: Config of the projection head (Table 1), or ``None`` to use
            the features themselves.
        loss_contrast: Config of the ``ClassContrastiveLoss`` of each term; published:
            temperature 0.07, weight 1e-3.
        threshold: Distance by which the second nearest source center of a target pixel
            must be farther than the nearest one; other pixels are ignored.
        momentum: Momentum alpha of the centers.
        terms: ``'all'`` for the four terms, ``'intra'`` for those within a domain
            (Table 4).
        normalize_distance: Whether pseudo-labels compare unit features with unit
            centers, or raw features, as in the paper's code.
        cross_update: Whether each domain's features move the centers of both domains,
            as in the paper's code, or of their own, as in eqs. 16-17.
        temperature: Old name of ``loss_contrast.temperature``.
        contrast_weight: Old name of ``loss_contrast.loss_weight``.
        include_positive: Old name of ``loss_contrast.include_positive``.
        **kwargs: As for :class:`MinEnt`.

    Raises:
        InputError: The ``terms`` are unknown.
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
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if terms not in ('all', 'intra'):
            raise InputError(f"model.terms: must be 'all' or 'intra', not {terms!r}")
        loss_contrast = apply_old_settings(
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
        """Build the projection head; return it and its output channels."""
        if cfg is None:
            return nn.Identity(), self.feature_channels
        # Forked, so that a seed starts every method's network from the same weights.
        with torch.random.fork_rng(devices=[]):
            head = MODELS.build(dict(in_channels=self.feature_channels) | cfg)
        return head, head.out_channels

    def embed(self, features: tuple[Tensor, ...]) -> Tensor:
        """Return the projected features (N, D, h, w), to compare with the centers."""
        return self.projection_head(features[-1])

    def source_losses(self, source: DomainView) -> dict[str, Tensor]:
        """Compute supervised losses and the contrastive loss of the source."""
        features, labels = self._labelled_pixels('source', source)
        return super().source_losses(source) | self._contrast(
            'source', features, labels
        )

    def target_losses(self, target: DomainView) -> dict[str, Tensor]:
        """Compute entropy losses and the contrastive loss of the target.

        Log the share of pixels with a pseudo-label as ``pseudo_share``.
        """
        features, labels = self._labelled_pixels('target', target)
        return (
            super().target_losses(target)
            | self._contrast('target', features, labels)
            | {'pseudo_share': (labels != 255).float().mean()}
        )

    def _contrast(
        self, domain: str, features: Tensor, labels: Tensor
    ) -> dict[str, Tensor]:
        """Compute a domain's contrastive terms (eq. 19); accumulate its features."""
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
        """Return projected features (P, D) and their labels or pseudo-labels (P,)."""
        projected = self.embed(view.features)
        pixels = projected.permute(0, 2, 3, 1).flatten(0, 2)
        if domain == 'target':
            return pixels, self.pseudo_labels(pixels)
        labels = view.inputs.required_labels()[:, None].float()
        return pixels, interpolate(labels, projected.shape[2:]).flatten().long()

    @torch.no_grad()
    def pseudo_labels(self, pixels: Tensor) -> Tensor:
        """Assign pseudo-labels (P,) to features (P, D), 255 to the ambiguous ones."""
        centers, valid = self.class_centers.of('source')
        if self.normalize_distance:
            pixels = normalize(pixels.float(), dim=1)
        return assign_pseudo_labels(
            pixels, normalize(centers, dim=1), valid, self.threshold
        )

    @torch.no_grad()
    def accumulate_centers(self, domain: str, inputs: DomainInputs) -> None:
        """Add a batch's features to the sums of a domain's centers (eqs. 9, 13)."""
        view = DomainView(inputs, tuple(self.extract_feat(inputs.images)), logits={})
        features, labels = self._labelled_pixels(domain, view)
        self.class_centers.accumulate(domain, features, labels)

    def measured_maps(self, features: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """Add the pseudo-labels ``pseudo_sem_seg``, at feature size (Table 4)."""
        projected = self.embed(features)
        labels = self.pseudo_labels(projected.permute(0, 2, 3, 1).flatten(0, 2))
        maps = labels.view(len(projected), 1, *projected.shape[2:])
        return super().measured_maps(features) | dict(pseudo_sem_seg=maps)
