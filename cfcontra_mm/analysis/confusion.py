"""Confusion matrices: which classes a network mistakes for which."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from mmengine.config import Config

from cfcontra_mm.config import open_config

from .sheet import open_test_set, read_label, read_prediction

CELL_INCHES = 0.36
SIDE_INCHES = (2.4, 12.0)
MIN_POINTS = 5.0
"""Font size below which no text is printed into the cells."""


def count_confusion(config: Config | Path | str, predictions: Path) -> np.ndarray:
    """Count the confusion matrix of predictions over a test split.

    Pixels without a label (255) are ignored.

    Args:
        config: Config of the run, or its file.
        predictions: Folder of class indices that ``tools/test.py --out`` wrote.

    Returns:
        Pixels (C, C), int64: rows are labels, columns predictions.

    Raises:
        InputError: The config has no test data, or a prediction is missing, or does not
            match the label in size or the config in classes.
    """
    return count_confusions(config, [predictions])[0]


def count_confusions(
    config: Config | Path | str, predictions: Sequence[Path]
) -> np.ndarray:
    """Count the confusion matrices of several folders, in one pass over the labels.

    Args:
        config: Config of the runs, or its file.
        predictions: F folders, see :func:`count_confusion`.

    Returns:
        Pixels (F, C, C), int64, one matrix per folder.

    Raises:
        InputError: See :func:`count_confusion`.
    """
    dataset = open_test_set(_read(config))
    size = len(dataset.metainfo['classes'])
    counts = np.zeros((len(predictions), size * size), np.int64)
    for index in range(len(dataset)):
        name, label = read_label(dataset, index)
        scored = label < size
        rows = label[scored].astype(np.int64) * size
        for count, folder in zip(counts, predictions, strict=True):
            prediction = read_prediction(folder, name, label.shape, size)
            count += np.bincount(rows + prediction[scored], minlength=size * size)
    return counts.reshape(-1, size, size)


def class_names(config: Config | Path | str) -> tuple[str, ...]:
    """Return the class names of the rows and columns of :func:`count_confusion`.

    Raises:
        InputError: The config has no test data.
    """
    return tuple(open_test_set(_read(config)).metainfo['classes'])


def _read(config: Config | Path | str) -> Config:
    return config if isinstance(config, Config) else open_config(config)


def draw_confusion(
    matrix: np.ndarray, classes: Sequence[str], title: str = ''
) -> Figure:
    """Draw a confusion matrix in percent of the pixels of each label.

    Args:
        matrix: Pixels (C, C), rows are labels; see :func:`count_confusion`.
        classes: Names of the C classes.
        title: Title above the matrix.
    """
    with np.errstate(invalid='ignore'):
        percent = 100 * matrix / matrix.sum(axis=1, keepdims=True)
    side = float(np.clip(CELL_INCHES * len(classes), *SIDE_INCHES))
    figure = Figure(figsize=(side + 2.6, side + 1.8), layout='constrained')
    axes = figure.subplots()
    axes.set_title(title)
    # A colour map that is also ordered in grayscale; gray for classes without labels.
    axes.set_facecolor('lightgray')
    image = axes.imshow(percent, cmap='cividis', vmin=0, vmax=100)
    figure.colorbar(image, label="% of the label's pixels", shrink=0.8)
    ticks = range(len(classes))
    axes.set_xticks(ticks, classes, rotation=90)
    axes.set_yticks(ticks, classes)
    axes.set(xlabel='prediction', ylabel='label')
    _write_cells(axes, percent, 72 * side / len(classes) * 0.36)
    return figure


def _write_cells(axes: Axes, percent: np.ndarray, points: float) -> None:
    """Print the values that round to at least 1 percent, if there is room for text."""
    if points < MIN_POINTS:
        return
    for row, column in np.argwhere(percent >= 0.5):
        value = percent[row, column]
        color = 'black' if value > 50 else 'white'
        look: dict[str, Any] = dict(ha='center', va='center', fontsize=min(points, 10))
        axes.text(column, row, f'{value:.0f}', color=color, **look)
