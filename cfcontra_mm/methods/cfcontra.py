"""CFContra: class-wise alignment with a contrastive loss against class centers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn.functional import interpolate, normalize

from cfcontra_mm.domains import DOMAINS
from cfcontra_mm.errors import InputError
from cfcontra_mm.models.class_centers import ClassCenterBank, assign_pseudo_labels
from cfcontra_mm.models.label_grid import labels_on_grid

from .base import DomainInputs, DomainView
from .minent import MinEnt
from .old_settings import apply_old_settings
from .progress import progress

CONFIDENCE = 0.9
"""Probability from which a prediction of the classifier is a pseudo-label."""

PSEUDO_LABELS = ('centers', 'classifier', 'agree')
IGNORE = 255


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
        pseudo_labels: Where the target's labels come from: ``'centers'``, the nearest
            source center (eqs. 10-12); ``'classifier'``, the main head's class where
            its probability is at least 0.9; or ``'agree'``, the nearest center where
            the main head predicts the same class.
        start: Share of the iterations before the target has pseudo-labels, in [0, 1].
        label_grid: ``'corners'`` to take labels where the features lie
            (:func:`~cfcontra_mm.models.label_grid.labels_on_grid`), ``'truncated'``
            for nearest interpolation, as in the paper's code.
        temperature: Old name of ``loss_contrast.temperature``.
        contrast_weight: Old name of ``loss_contrast.loss_weight``.
        include_positive: Old name of ``loss_contrast.include_positive``.
        **kwargs: As for :class:`MinEnt`.

    Raises:
        InputError: ``terms``, ``pseudo_labels`` or ``label_grid`` is unknown.
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
        pseudo_labels: str = 'centers',
        start: float = 0.0,
        label_grid: str = 'corners',
        temperature: float | None = None,
        contrast_weight: float | None = None,
        include_positive: bool | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        _check_choice('terms', terms, ('all', 'intra'))
        _check_choice('pseudo_labels', pseudo_labels, PSEUDO_LABELS)
        _check_choice('label_grid', label_grid, ('corners', 'truncated'))
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
        self.assigned_by = pseudo_labels
        self.start = start
        self.label_grid = label_grid

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
            | {'pseudo_share': (labels != IGNORE).float().mean()}
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
        if domain == 'source':
            return pixels, self._source_labels(view, projected.shape[2:]).flatten()
        labels = self._target_labels(view, projected).flatten()
        return pixels, torch.full_like(labels, IGNORE) if self._waits() else labels

    def _source_labels(self, view: DomainView, size: Sequence[int]) -> Tensor:
        labels = view.inputs.required_labels()
        if self.label_grid == 'truncated':
            return interpolate(labels[:, None].float(), tuple(size))[:, 0].long()
        return labels_on_grid(labels, size, self.decode_head.align_corners)

    def _waits(self) -> bool:
        """Tell whether the target has no pseudo-labels yet."""
        return progress() < self.start

    @torch.no_grad()
    def _target_labels(self, view: DomainView, projected: Tensor) -> Tensor:
        """Return the pseudo-labels of the target, (N, h, w), 255 where there is none.

        Args:
            view: Forward pass of the target.
            projected: Its projected features, (N, D, h, w).
        """
        if self.assigned_by == 'classifier':
            return self._predicted(view, projected.shape[2:], CONFIDENCE)
        labels = self._nearest_centers(projected, self.threshold)
        if self.assigned_by == 'agree':
            same = labels == self._predicted(view, projected.shape[2:])
            labels = labels.where(same, IGNORE)
        return labels

    def _predicted(
        self, view: DomainView, size: Sequence[int], confidence: float = 0.0
    ) -> Tensor:
        """Return the main head's classes on the grid of a feature map, (N, h, w)."""
        logits, align = view.logits['decode'].float(), self.decode_head.align_corners
        on_grid = labels_on_grid(logits.flatten(0, 1), size, align)
        scores = on_grid.unflatten(0, logits.shape[:2]).softmax(dim=1)
        probability, classes = scores.max(dim=1)
        return classes.where(probability >= confidence, IGNORE)

    def _nearest_centers(self, projected: Tensor, threshold: float) -> Tensor:
        pixels = projected.permute(0, 2, 3, 1).flatten(0, 2)
        labels = self.pseudo_labels(pixels, threshold)
        return labels.view(len(projected), *projected.shape[2:])

    @torch.no_grad()
    def pseudo_labels(self, pixels: Tensor, threshold: float | None = None) -> Tensor:
        """Label features (P, D) by the nearest source center (eqs. 10-12).

        Args:
            pixels: Projected features.
            threshold: Instead of the method's own; below 0, no feature is ambiguous.

        Returns:
            Labels (P,), 255 where the two nearest centers are about as far.
        """
        centers, valid = self.class_centers.of('source')
        if self.normalize_distance:
            pixels = normalize(pixels.float(), dim=1)
        threshold = self.threshold if threshold is None else threshold
        return assign_pseudo_labels(pixels, normalize(centers, dim=1), valid, threshold)

    @torch.no_grad()
    def accumulate_centers(self, domain: str, inputs: DomainInputs) -> None:
        """Add a batch's features to the sums of a domain's centers (eqs. 9, 13)."""
        features, labels = self._labelled_pixels(domain, self.view(inputs))
        self.class_centers.accumulate(domain, features, labels)

    @torch.no_grad()
    def training_maps(self, view: DomainView) -> dict[str, Tensor]:
        """Return the pseudo-labels, and what centers and classifier say everywhere.

        Args:
            view: Forward pass of target images, normalised as in training.

        Returns:
            ``pseudo_sem_seg``, and without ignored pixels ``center_sem_seg`` and
            ``classifier_sem_seg``, (N, 1, h, w) (Table 4).
        """
        projected = self.embed(view.features)
        maps = dict(
            pseudo_sem_seg=self._target_labels(view, projected),
            center_sem_seg=self._nearest_centers(projected, threshold=-1.0),
            classifier_sem_seg=self._predicted(view, projected.shape[2:]),
        )
        return {name: labels[:, None] for name, labels in maps.items()}


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        words = ' or '.join(map(repr, choices))
        raise InputError(f'model.{name}: must be {words}, not {value!r}')
