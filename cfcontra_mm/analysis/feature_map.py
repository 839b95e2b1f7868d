"""Feature maps: pixel features of both domains, as in the paper's Figure 1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from cfcontra_mm.domains import DOMAINS
from cfcontra_mm.errors import InputError
from cfcontra_mm.files import whole_file

PANEL_INCHES = 4.5
Style = dict[str, Any]
PIXEL_STYLES: dict[str, Style] = {
    'source': dict(marker='o', s=9),
    'target': dict(marker='x', s=11),
}
CENTER_MARKERS: dict[str, Any] = {'source': '*', 'target': 'P'}
CENTER_LABELS = {True: 'center (memory bank)', False: 'mean of its points'}


@dataclass(frozen=True)
class Features:
    """Pixel features of some classes in both domains, and their positions on a map.

    Args:
        classes: Names of the K classes.
        palette: RGB colours of the classes (K, 3), uint8.
        pixels: Features of unit length (P, D), float32.
        labels: Ground truth of each pixel (P,), as index into ``classes``.
        domains: Domain of each pixel (P,), 0 for source and 1 for target.
        centers: Center of each domain and class (2, K, D), of unit length; NaN where
            there is none.
        from_bank: Whether these are the method's class centers; otherwise each is the
            mean of the pixels here.
        pixel_map: Positions of the pixels on the map (P, 2).
        center_map: Positions of the centers (2, K, 2), NaN where there is none.
    """

    classes: tuple[str, ...]
    palette: np.ndarray
    pixels: np.ndarray
    labels: np.ndarray
    domains: np.ndarray
    centers: np.ndarray
    from_bank: bool
    pixel_map: np.ndarray
    center_map: np.ndarray

    def target_accuracy(self) -> float:
        """Return the percentage of target pixels whose nearest source center is theirs.

        It measures how well the classes of the domains are aligned, before any
        classifier; NaN without a target pixel or a source center.
        """
        target = self.domains == DOMAINS.index('target')
        similarity = self.pixels[target] @ self.centers[0].T
        if np.isnan(similarity).all():
            return float('nan')
        nearest = np.nanargmax(similarity, axis=1)
        return 100 * float((nearest == self.labels[target]).mean())


def write_features(features: Features, path: Path) -> None:
    """Write an ``.npz`` file atomically; create its folder if needed."""
    # Given a path instead of a file, NumPy would append .npz to another suffix.
    with whole_file(path) as temporary, temporary.open('wb') as file:
        np.savez_compressed(file, **asdict(features))


def read_features(path: Path) -> Features:
    """Read what :func:`write_features` wrote.

    Raises:
        InputError: The file is missing, damaged or not a file of features.
    """
    try:
        with np.load(path) as file:
            values = {field.name: file[field.name] for field in fields(Features)}
    except FileNotFoundError as error:
        raise InputError(
            f'{path}: no such file; write it with tools/analysis_tools/feature_map.py'
        ) from error
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise InputError(
            f'{path}: damaged or not a file of features; write it with '
            'tools/analysis_tools/feature_map.py'
        ) from error
    values['classes'] = tuple(values['classes'].tolist())
    values['from_bank'] = bool(values['from_bank'])
    return Features(**values)


def draw_feature_map(features: Mapping[str, Features]) -> Figure:
    """Draw feature maps side by side, such as before and after adaptation.

    Colours are those of the data set; dots are source pixels, crosses target pixels;
    class names label the source centers. Every map is a separate t-SNE: compare which
    points cluster together between maps, but not positions or distances.

    Args:
        features: Features by the title of their map, see :func:`read_features`.
    """
    width = max(PANEL_INCHES * len(features), 6)
    figure = Figure(figsize=(width, PANEL_INCHES + 1), layout='constrained')
    panels = figure.subplots(1, len(features), squeeze=False)[0]
    for axes, (title, found) in zip(panels, features.items(), strict=True):
        share = f'{found.target_accuracy():.0f} % of target pixels'
        axes.set_title(f'{title}\n{share} nearest to their class', fontsize=10)
        _draw_pixels(axes, found)
        _draw_centers(axes, found)
        axes.set(xticks=[], yticks=[], aspect='equal', adjustable='datalim')
    figure.legend(handles=_handles(features), loc='outside lower center', ncols=2)
    return figure


def _draw_pixels(axes: Axes, features: Features) -> None:
    for number, domain in enumerate(DOMAINS):
        rows = features.domains == number
        colors = features.palette[features.labels[rows]] / 255
        x, y = features.pixel_map[rows].T
        style = PIXEL_STYLES[domain]
        axes.scatter(x, y, c=colors, linewidths=0.8, alpha=0.8, **style)


def _draw_centers(axes: Axes, features: Features) -> None:
    halo = patheffects.withStroke(linewidth=2.5, foreground='white')
    colors = features.palette / 255
    for positions, domain in zip(features.center_map, DOMAINS, strict=True):
        x, y = positions.T
        style: Style = dict(s=130, edgecolors='black', zorder=3)
        axes.scatter(x, y, c=colors, marker=CENTER_MARKERS[domain], **style)
    for name, (x, y) in zip(features.classes, features.center_map[0], strict=True):
        if not np.isnan(x):
            offset: Style = dict(xytext=(0, 7), textcoords='offset points', ha='center')
            text = axes.annotate(name, (x, y), fontsize=8, zorder=4, **offset)
            text.set_path_effects([halo])


def _handles(features: Mapping[str, Features]) -> list[Line2D]:
    """Return the legend of the markers; the names on the map explain the colours."""
    kinds = ' / '.join(
        CENTER_LABELS[k] for k in sorted({f.from_bank for f in features.values()})
    )
    handles = []
    for domain in DOMAINS:
        pixel, center = PIXEL_STYLES[domain]['marker'], CENTER_MARKERS[domain]
        look: Style = dict(color='dimgray', linestyle='')
        handles += [
            Line2D([], [], marker=pixel, label=f'{domain} pixel', markersize=5, **look),
            Line2D(
                [], [], marker=center, label=f'{domain}: {kinds}', markersize=9, **look
            ),
        ]
    return handles
