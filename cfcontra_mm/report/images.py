"""Sections with images and plots of one seed, made from the folders of its runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from html import escape
from pathlib import Path

import numpy as np

from cfcontra_mm.analysis import (
    class_names,
    count_confusions,
    draw_confusion,
    draw_curves,
    draw_feature_map,
    read_features,
)
from cfcontra_mm.analysis.sheet import Sample, SampleSet, draw_panels, load_samples
from cfcontra_mm.benchmark.results.records import FEATURES, PREDICTIONS
from cfcontra_mm.engine.training_log import read_curves
from cfcontra_mm.errors import InputError

from .page import details, figure, image, paragraphs
from .source import Source

NUM_IMAGES = 8
PANEL_WIDTH = 384
Draw = Callable[[Source], str]


def _explain_missing(draw: Draw) -> Draw:
    """Show a sentence in place of a section whose data are missing."""

    @wraps(draw)
    def section(source: Source) -> str:
        try:
            return draw(source)
        except (InputError, OSError) as error:
            return paragraphs(f'Not shown: {error}')

    return section


def _folders(source: Source) -> dict[str, Path]:
    found = source.folders()
    if not found:
        raise InputError('the folders of the runs were not found.')
    return found


@_explain_missing
def training_curves(source: Source) -> str:
    """Show losses and validations of every row."""
    curves = {name: read_curves(folder) for name, folder in _folders(source).items()}
    alt = f'Losses and validation mIoU over the iterations of {", ".join(curves)}'
    return paragraphs(f'Seed {source.seed}.') + figure(draw_curves(curves), alt)


@_explain_missing
def confusion_matrices(source: Source) -> str:
    """Show the confusion matrix of every row."""
    folders = _folders(source)
    config = source.study.test_config()
    classes = class_names(config)
    predictions = [folder / PREDICTIONS for folder in folders.values()]
    matrices = count_confusions(config, predictions)
    parts = []
    for name, matrix in zip(folders, matrices, strict=True):
        alt = f'Confusion matrix of {name}. {_worst_confusions(matrix, classes)}'
        parts.append(details(name, figure(draw_confusion(matrix, classes), alt)))
    note = f'Seed {source.seed}. Each row shows the predictions for one label.'
    return paragraphs(note) + ''.join(parts)


def _worst_confusions(matrix: np.ndarray, classes: tuple[str, ...]) -> str:
    """Describe the three largest off-diagonal shares in words."""
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    np.fill_diagonal(shares, 0)
    worst = np.argsort(shares, axis=None)[::-1][:3]
    places = [np.unravel_index(place, shares.shape) for place in worst]
    return '; '.join(
        f'{100 * shares[place]:.0f} % of {classes[place[0]]} is taken for '
        f'{classes[place[1]]}'
        for place in places
    )


@_explain_missing
def image_slider(source: Source) -> str:
    """Show input, ground truth and the prediction of every row, one image at a time."""
    predictions = {n: folder / PREDICTIONS for n, folder in _folders(source).items()}
    data = load_samples(source.study.test_config(), NUM_IMAGES)
    images = ''.join(
        f'<div class="panels">{_panels(sample, data, predictions)}</div>'
        for sample in data.samples
    )
    count = len(data.samples)
    return (
        paragraphs(f'Seed {source.seed}; validation images, evenly spread.')
        + '<div class="slider" hidden><label for="slider">Image</label>'
        f'<input type="range" id="slider" min="1" max="{count}" value="1" '
        'data-shows="all-images"><output for="slider"></output></div>'
        + f'<div id="all-images">{images}</div>{_legend(data)}'
    )


def _panels(sample: Sample, data: SampleSet, predictions: Mapping[str, Path]) -> str:
    width = min(PANEL_WIDTH, sample.image.width)
    panels = draw_panels(sample, data.palette, predictions, width)
    return ''.join(
        f'<figure>{image(panel, f"{name} of {sample.name}")}'
        f'<figcaption>{escape(name)}</figcaption></figure>'
        for name, panel in panels.items()
    )


def _legend(data: SampleSet) -> str:
    entries = ''.join(
        f'<span><i style="background:rgb({",".join(map(str, color))})"></i>'
        f'{escape(name)}</span>'
        for name, color in zip(data.classes, data.palette.tolist(), strict=True)
    )
    return f'<div class="legend">{entries}</div>'


@_explain_missing
def feature_map(source: Source) -> str:
    """Show the pixel features of both domains, before and after adaptation."""
    paths = {name: folder / FEATURES for name, folder in source.folders().items()}
    found = {name: read_features(path) for name, path in paths.items() if path.exists()}
    if not found:
        return ''
    note = (
        f'Seed {source.seed}. t-SNE of pixel features of source training images and '
        'target validation images; labels only select and colour the pixels. '
        'Distances between clusters mean little.'
    )
    alt = f'Feature maps of {", ".join(found)}: source and target pixels by class'
    return paragraphs(note) + figure(draw_feature_map(found), alt)
