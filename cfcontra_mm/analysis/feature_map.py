"""The pixel features of both domains in the plane, as in Figure 1 of CFContra."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from sklearn.manifold import TSNE

from cfcontra_mm.domains import DOMAINS
from cfcontra_mm.errors import InputError

MARKERS = ('o', '^')
PANEL_INCHES = 4.6
PERPLEXITY = 30.0


@dataclass(frozen=True)
class Features:
    """Pixel features of some classes in both domains.

    Args:
        values: Features (N, D).
        labels: Classes (N,), as places in ``classes``.
        domains: Domains (N,), 0 source and 1 target.
        centers: Class centers (2, C, D), source first.
        has_center: Whether there is one, (2, C), bool.
        classes: Names of the C classes.
        palette: Their colours (C, 3), RGB, uint8.
    """

    values: np.ndarray
    labels: np.ndarray
    domains: np.ndarray
    centers: np.ndarray
    has_center: np.ndarray
    classes: tuple[str, ...]
    palette: np.ndarray


def write_features(features: Features, path: Path) -> None:
    """Write an .npz file, whole or not at all; makes the folder if needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'{path.stem}.tmp.npz')
    np.savez_compressed(temporary, **asdict(features))
    os.replace(temporary, path)


def read_features(path: Path) -> Features:
    """Read what :func:`write_features` wrote.

    Raises:
        InputError: There is no such file, or it holds something else.
    """
    try:
        with np.load(path) as arrays:
            fields = dict(arrays)
        fields['classes'] = tuple(fields['classes'].tolist())
        return Features(**fields)
    except FileNotFoundError as error:
        raise InputError(f'{path}: no such file of features') from error
    except (KeyError, TypeError, ValueError, OSError, zipfile.BadZipFile) as error:
        raise InputError(
            f'{path}: not features of tools/analysis_tools/feature_map.py'
        ) from error


def draw_feature_map(features: Mapping[str, Features]) -> Figure:
    """Draw features in the plane by t-SNE, networks side by side.

    Every network has a t-SNE of its own, over unit features and centers together; so
    places in one panel cannot be compared with those in another, only how the domains
    and classes lie.

    Args:
        features: The features by the panel's title.
    """
    count = len(features)
    figure = Figure(figsize=(PANEL_INCHES * count, PANEL_INCHES + 0.9))
    figure.set_layout_engine('constrained')
    for place, (title, found) in enumerate(features.items(), start=1):
        axes = figure.add_subplot(1, count, place)
        axes.set(title=title, xticks=[], yticks=[])
        _draw_panel(axes, found)
    figure.legend(
        handles=_legend(next(iter(features.values()))),
        loc='outside lower center',
        ncols=max(3, 3 * count),
    )
    return figure


def _draw_panel(axes: Axes, found: Features) -> None:
    domains, classes = np.nonzero(found.has_center)
    centers = found.centers[domains, classes]
    points = embed(np.concatenate([found.values, centers]))
    pixels, stars = np.split(points, [len(found.values)])
    for domain, marker in enumerate(MARKERS):
        of_domain = found.domains == domain
        colors = found.palette[found.labels[of_domain]] / 255
        look = dict(marker=marker, s=14, alpha=0.7, linewidths=0)
        axes.scatter(*pixels[of_domain].T, c=colors, **look)
    for star, domain, index in zip(stars, domains, classes, strict=True):
        color = found.palette[index] / 255
        edge = 'black' if domain == 0 else 'white'
        look = dict(marker='*', s=220, edgecolors=edge, linewidths=1.2, zorder=3)
        axes.scatter(*star, color=color, **look)


def embed(values: np.ndarray) -> np.ndarray:
    """Places (N, 2) of features (N, D) in the plane, always the same for the same."""
    unit = values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)
    perplexity = min(PERPLEXITY, (len(unit) - 1) / 3)
    tsne = TSNE(perplexity=perplexity, init='pca', random_state=0)
    return tsne.fit_transform(unit.astype(np.float32))


def _legend(features: Features) -> list[Line2D]:
    def entry(label: str, **look: object) -> Line2D:
        return Line2D([], [], linestyle='', label=label, **look)

    classes = [
        entry(name, marker='s', color=color)
        for name, color in zip(features.classes, features.palette / 255, strict=True)
    ]
    shapes = [
        entry(f'{domain} pixel', marker=marker, color='gray')
        for domain, marker in zip(DOMAINS, MARKERS, strict=True)
    ]
    star = dict(marker='*', markersize=12, color='gray')
    edges = [
        entry(f'{domain} center', markeredgecolor=edge, **star)
        for domain, edge in zip(DOMAINS, ('black', 'white'), strict=True)
    ]
    return [*classes, *shapes, *edges]
