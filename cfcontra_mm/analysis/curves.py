"""Training curves: validation mIoU and losses over the iterations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle, product
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from cfcontra_mm.engine.training_log import Curves, log_files, read_curves
from cfcontra_mm.errors import InputError

COLORS = (
    *('#0072B2', '#E69F00', '#009E73', '#D55E00'),
    *('#CC79A7', '#56B4E9', '#000000', '#8C6D00'),
)
"""The colour-blind safe palette of Okabe and Ito, its yellow darkened."""

Style = dict[str, Any]
STYLES: list[Style] = [
    dict(linestyle=line, color=color)
    for line, color in product(('-', '--', ':'), COLORS)
]
MIOU = 'validation mIoU (%)'
COLUMNS = 3
PANEL_INCHES = (4.0, 2.6)
LEGEND_INCHES = 0.25
MARKED = 20
"""Lines with fewer points have markers."""


def draw_curves(curves: Mapping[str, Curves]) -> Figure:
    """Draw the validation mIoU and every loss, one panel each, with one line per run.

    Args:
        curves: Curves of each run by its name. Losses are drawn as they were logged:
            weighted, as in the sum ``loss``.

    Raises:
        InputError: The logs of all runs are empty.
    """
    panels = _panels(curves)
    if not panels:
        raise InputError(f'{", ".join(curves)}: no losses in the logs; train first')
    rows = -(-len(panels) // COLUMNS)
    legend = -(-len(curves) // COLUMNS) * LEGEND_INCHES
    size = COLUMNS * PANEL_INCHES[0], rows * PANEL_INCHES[1] + legend
    figure = Figure(figsize=size, layout='constrained')
    styles = dict(zip(curves, cycle(STYLES), strict=False))
    for place, (name, lines) in enumerate(panels.items(), start=1):
        _draw_panel(figure.add_subplot(rows, COLUMNS, place), name, lines, styles)
    handles = [Line2D([], [], label=run, **styles[run]) for run in curves]
    figure.legend(handles=handles, loc='outside upper left', ncols=COLUMNS)
    return figure


def _panels(curves: Mapping[str, Curves]) -> dict[str, dict[str, dict[int, float]]]:
    """Return the values by panel, run and iteration, without runs that have none."""
    panels: dict[str, dict[str, dict[int, float]]] = {}
    for run, found in curves.items():
        for iteration, metrics in found.validations.items():
            if 'mIoU' in metrics:
                lines = panels.setdefault(MIOU, {})
                lines.setdefault(run, {})[iteration] = metrics['mIoU']
        for iteration, values in sorted(found.training.items()):
            for name in filter(lambda name: 'loss' in name, values):
                lines = panels.setdefault(name, {})
                lines.setdefault(run, {})[iteration] = values[name]
    # First mIoU, then the summed loss, then its terms.
    return dict(sorted(panels.items(), key=lambda p: (p[0] != MIOU, p[0] != 'loss')))


def _draw_panel(
    axes: Axes,
    name: str,
    lines: Mapping[str, dict[int, float]],
    styles: Mapping[str, Style],
) -> None:
    for run, values in lines.items():
        # A single validation is not visible without a marker.
        marker = 'o' if len(values) < MARKED else None
        points = [*values], [*values.values()]
        axes.plot(*points, marker=marker, markersize=3, linewidth=1.4, **styles[run])
    axes.set_title(name, fontsize=10)
    axes.set_xlabel('iteration', fontsize=8)
    axes.tick_params(labelsize=8)
    axes.ticklabel_format(axis='y', scilimits=(-3, 4))
    axes.grid(alpha=0.3)
    axes.spines[['top', 'right']].set_visible(False)


def read_runs(folders: Sequence[Path]) -> dict[str, Curves]:
    """Read the curves of trainings, by folder name or, if names are equal, by path.

    Raises:
        InputError: A folder has no training log.
    """
    for folder in folders:
        if not log_files(folder):
            raise InputError(
                f'{folder}: no training log (*/vis_data/scalars.json); use a '
                'folder of tools/train.py'
            )
    names = [folder.resolve().name for folder in folders]
    if len(set(names)) < len(folders):
        names = [str(folder) for folder in folders]
    return dict(zip(names, map(read_curves, folders), strict=True))
