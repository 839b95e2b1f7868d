"""A map of pixel features of both domains, as in the paper's Figure 1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
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
MARKS = {'source': dict(marker='o', s=9), 'target': dict(marker='x', s=11)}
STARS = {'source': '*', 'target': 'P'}
CENTERS = {True: 'center (memory bank)', False: 'mean of its points'}


@dataclass(frozen=True)
class Features:
    """Pixel features of some classes in both domains, and where a map shows them.

    Args:
        classes: Names of the K classes.
        palette: Their RGB colours (K, 3), uint8.
        pixels: Features of unit length (P, D), float32.
        labels: Index into ``classes`` of each pixel (P,), of the ground truth.
        domains: Domain of each pixel (P,), 0 source and 1 target.
        centers: Center of each domain and class (2, K, D), of unit length; NaN where
            there is none.
        from_bank: Whether these are the method's class centers; else each is the
            mean of the pixels here.
        pixel_map: Places of the pixels on the map (P, 2).
        center_map: Places of the centers (2, K, 2), NaN where there is none.
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
        """Percent of the target's pixels whose nearest source center is their class's.

        Before any classifier, how far the classes of the two domains lie together; NaN
        without a pixel or a source center.
        """
        target = self.domains == DOMAINS.index('target')
        similarity = self.pixels[target] @ self.centers[0].T
        if np.isnan(similarity).all():
            return float('nan')
        nearest = np.nanargmax(similarity, axis=1)
        return 100 * float((nearest == self.labels[target]).mean())


def write_features(features: Features, path: Path) -> None:
    """Write an .npz, whole or not at all; makes the folder if needed."""
    # Given a name, NumPy would add .npz to one that ends otherwise.
    with whole_file(path) as temporary, temporary.open('wb') as file:
        np.savez_compressed(file, **asdict(features))


def read_features(path: Path) -> Features:
    """Read what :func:`write_features` wrote.

    Raises:
        InputError: The file is missing, damaged or another's.
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
            f'{path}: no features or damaged; write it with '
            'tools/analysis_tools/feature_map.py'
        ) from error
    values['classes'] = tuple(values['classes'].tolist())
    values['from_bank'] = bool(values['from_bank'])
    return Features(**values)


def draw_feature_map(features: Mapping[str, Features]) -> Figure:
    """Draw maps side by side: before and after an adaptation, or several methods.

    Colours are the data set's, dots source pixels, crosses target pixels; the class
    names stand at the source's centers. Every map is a t-SNE of its own: what lies
    together can be compared between maps, positions and distances cannot.

    Args:
        features: What to draw by its title, see :func:`read_features`.
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
        axes.scatter(x, y, c=colors, linewidths=0.8, alpha=0.8, **MARKS[domain])


def _draw_centers(axes: Axes, features: Features) -> None:
    halo = [patheffects.withStroke(linewidth=2.5, foreground='white')]
    for places, domain in zip(features.center_map, DOMAINS, strict=True):
        colors = features.palette / 255
        look = dict(marker=STARS[domain], s=130, edgecolors='black', zorder=3)
        axes.scatter(*places.T, c=colors, **look)
    for name, (x, y) in zip(features.classes, features.center_map[0], strict=True):
        if not np.isnan(x):
            offset = dict(xytext=(0, 7), textcoords='offset points', ha='center')
            text = axes.annotate(name, (x, y), fontsize=8, zorder=4, **offset)
            text.set_path_effects(halo)


def _handles(features: Mapping[str, Features]) -> list[Line2D]:
    """A legend of the marks: colours are explained by the names on the map."""
    kinds = ' / '.join(
        CENTERS[k] for k in sorted({f.from_bank for f in features.values()})
    )
    handles = []
    for domain in DOMAINS:
        pixel, center = MARKS[domain]['marker'], STARS[domain]
        look = dict(color='dimgray', linestyle='')
        handles += [
            Line2D([], [], marker=pixel, label=f'{domain} pixel', markersize=5, **look),
            Line2D(
                [], [], marker=center, label=f'{domain}: {kinds}', markersize=9, **look
            ),
        ]
    return handles
