"""Sections that show pictures of one seed's runs, from the folders of these runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from html import escape
from pathlib import Path

import numpy as np
from PIL import Image

from cfcontra_mm.analysis import (
    class_names,
    count_confusion,
    draw_confusion,
    draw_curves,
    draw_feature_map,
    read_features,
)
from cfcontra_mm.benchmark.curves import read_curves
from cfcontra_mm.benchmark.sheet import (
    Sample,
    SampleSet,
    colorize,
    load_samples,
    read_prediction,
)
from cfcontra_mm.errors import InputError

from .page import details, figure, paragraphs, picture
from .source import Source

NUM_IMAGES = 8
PANEL_WIDTH = 384
Draw = Callable[[Source], str]


def _or_why_not(draw: Draw) -> Draw:
    """Say in a sentence what is missing."""

    @wraps(draw)
    def section(source: Source) -> str:
        if not source.folders():
            return paragraphs('Not shown: the folders of the runs are not here.')
        try:
            return draw(source)
        except (InputError, OSError) as error:
            return paragraphs(f'Not shown: {error}')

    return section


@_or_why_not
def training_curves(source: Source) -> str:
    """Losses and validations of every row."""
    curves = {name: read_curves(folder) for name, folder in source.folders().items()}
    alt = f'Losses and validation mIoU over the iterations of {", ".join(curves)}'
    return paragraphs(f'Seed {source.seed}.') + figure(draw_curves(curves), alt)


@_or_why_not
def confusion_matrices(source: Source) -> str:
    """What each row takes every class for."""
    config = source.config()
    classes = class_names(config)
    parts = []
    for name, folder in source.folders().items():
        matrix = count_confusion(config, folder / 'predictions')
        alt = f'Confusion matrix of {name}. {_worst_confusions(matrix, classes)}'
        parts.append(details(name, figure(draw_confusion(matrix, classes), alt)))
    note = f'Seed {source.seed}. A line holds what the pixels of a class are taken for.'
    return paragraphs(note) + ''.join(parts)


def _worst_confusions(matrix: np.ndarray, classes: tuple[str, ...]) -> str:
    """The three largest shares off the diagonal, in words."""
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    np.fill_diagonal(shares, 0)
    worst = np.argsort(shares, axis=None)[::-1][:3]
    places = [np.unravel_index(place, shares.shape) for place in worst]
    return '; '.join(
        f'{100 * shares[place]:.0f} % of {classes[place[0]]} is taken for '
        f'{classes[place[1]]}'
        for place in places
    )


@_or_why_not
def image_slider(source: Source) -> str:
    """Input, ground truth and the prediction of every row, an image at a time."""
    data = load_samples(source.config(), NUM_IMAGES)
    predictions = {
        name: folder / 'predictions' for name, folder in source.folders().items()
    }
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
    panels = {
        'input': sample.image,
        'ground truth': colorize(sample.label, data.palette),
    }
    for name, folder in predictions.items():
        shape, classes = sample.label.shape, len(data.classes)
        label = read_prediction(folder, sample.stem, shape, classes)
        panels[name] = colorize(label, data.palette)
    return ''.join(
        f'<figure>{picture(_shrink(panel), f"{name} of {sample.stem}")}'
        f'<figcaption>{escape(name)}</figcaption></figure>'
        for name, panel in panels.items()
    )


def _shrink(image: Image.Image) -> Image.Image:
    """At most as wide as a panel; colours stay those of classes."""
    width = min(PANEL_WIDTH, image.width)
    size = (width, round(width * image.height / image.width))
    return image.resize(size, Image.Resampling.NEAREST)


def _legend(data: SampleSet) -> str:
    entries = ''.join(
        f'<span><i style="background:rgb({",".join(map(str, color))})"></i>'
        f'{escape(name)}</span>'
        for name, color in zip(data.classes, data.palette.tolist(), strict=True)
    )
    return f'<div class="legend">{entries}</div>'


def feature_map(source: Source) -> str:
    """Pixel features of both domains, before and after adaptation."""
    found = {
        name: folder / 'features.npz'
        for name, folder in source.folders().items()
        if (folder / 'features.npz').exists()
    }
    if not found:
        return ''
    drawn = draw_feature_map({n: read_features(path) for n, path in found.items()})
    note = (
        f'Seed {source.seed}. t-SNE of pixel features of validation images; labels '
        'only colour them. Distances between clusters mean little.'
    )
    alt = f'Feature maps of {", ".join(found)}: source and target pixels by class'
    return paragraphs(note) + figure(drawn, alt)
