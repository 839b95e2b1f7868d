"""A sheet of images: input, ground truth and the prediction of every method."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS
from PIL import Image, ImageDraw, ImageFont

from cfcontra_mm.datasets.folders import apply_folders
from cfcontra_mm.errors import InputError
from cfcontra_mm.evaluation.iou import prediction_name
from cfcontra_mm.images import open_image, read_image

IGNORE_INDEX = 255
PANEL_WIDTH = 256
MARGIN = 6
TEXT_HEIGHT = 22
SWATCH = 14
LEGEND_WIDTH = 120


@dataclass(frozen=True)
class Sample:
    """An image of the test split.

    Args:
        name: Path of the image in the folder of the images, without suffix.
        image: The image.
        label: Class index of every pixel (H, W), 255 for unlabelled ones.
    """

    name: str
    image: Image.Image
    label: np.ndarray


@dataclass(frozen=True)
class SampleSet:
    """Some samples with the names and the RGB colours (C, 3) of the classes."""

    samples: Sequence[Sample]
    classes: Sequence[str]
    palette: np.ndarray


def open_test_set(config: Config) -> BaseSegDataset:
    """Build the test data set of a config.

    Raises:
        InputError: The config has none, or its files are missing or damaged.
    """
    cfg = copy.deepcopy(config)
    apply_folders(cfg)
    if cfg.get('test_dataloader') is None:
        raise InputError(
            f'{cfg.filename}: test_dataloader is not set; use the config of a run, and '
            'set folders.val_images and folders.val_labels for your own folders'
        )
    # The data set builds its transforms from the registry of the default scope.
    with DefaultScope.overwrite_default_scope('mmseg'):
        return DATASETS.build(cfg.test_dataloader.dataset)


def load_samples(config: Config, count: int) -> SampleSet:
    """Load ``count`` samples, spread evenly over the test split of a config.

    Raises:
        InputError: See :func:`open_test_set`.
    """
    dataset = open_test_set(config)
    chosen = np.linspace(0, len(dataset) - 1, min(count, len(dataset)), dtype=int)
    samples = [_load_sample(dataset, int(index)) for index in chosen]
    palette = np.array(dataset.metainfo['palette'], dtype=np.uint8)
    return SampleSet(samples, dataset.metainfo['classes'], palette)


def _load_sample(dataset: BaseSegDataset, index: int) -> Sample:
    name, label = read_label(dataset, index)
    image = read_image(dataset.get_data_info(index)['img_path'])
    return Sample(name, Image.fromarray(image), label)


def read_label(dataset: BaseSegDataset, index: int) -> tuple[str, np.ndarray]:
    """Return the name of an image's prediction, and its label (H, W)."""
    data_sample = dataset[index]['data_samples']
    folder = dataset.data_prefix.get('img_path')
    label = data_sample.gt_sem_seg.data.squeeze(0).numpy()
    return prediction_name(data_sample.img_path, folder), label


def read_prediction(
    folder: Path, name: str, size: tuple[int, int], num_classes: int
) -> np.ndarray:
    """Read the class indices (H, W) that ``tools/test.py --out`` wrote for an image.

    Args:
        folder: Folder of the predictions.
        name: Path of the image in the folder of the images, without suffix.
        size: Height and width of the label.
        num_classes: Number of classes of the data set.

    Raises:
        InputError: The file is missing or damaged, or does not match the label in size
            or the config in classes.
    """
    path = folder / f'{name}.png'
    if not path.parent.exists():  # written by a version that kept no subfolders
        path = folder / path.name
    with open_image(path, f'write all with tools/test.py --out {folder}') as image:
        prediction = np.array(image)
    if prediction.shape != size:
        shape, label = ('x'.join(map(str, s)) for s in (prediction.shape, size))
        raise InputError(
            f'{path}: size mismatch: the prediction is {shape}, its label {label}; use '
            'the config of the test'
        )
    if prediction.max() >= num_classes:
        raise InputError(
            f'{path}: class {prediction.max()} is out of range, the config has '
            f'{num_classes} classes; use the config of the test'
        )
    return prediction


def colorize(label: np.ndarray, palette: np.ndarray) -> Image.Image:
    """Paint class indices (H, W) in the colours of a palette, others in black."""
    table = np.zeros((IGNORE_INDEX + 1, 3), dtype=np.uint8)
    table[: len(palette)] = palette
    return Image.fromarray(table[label])


def draw_sheet(data: SampleSet, predictions: Mapping[str, Path | None]) -> Image.Image:
    """Draw the sheet: one row per sample, headings above, the legend below.

    Args:
        data: The samples.
        predictions: For every method, the folder with predictions,
            or None without a result.

    Raises:
        InputError: See :func:`read_prediction`.
    """
    rows = [
        draw_panels(sample, data.palette, predictions, PANEL_WIDTH)
        for sample in data.samples
    ]
    heights = [panels['input'].height + MARGIN for panels in rows]
    *tops, bottom = accumulate(heights, initial=TEXT_HEIGHT)
    width = MARGIN + len(rows[0]) * (PANEL_WIDTH + MARGIN)
    legend = _draw_legend(data.classes, data.palette, width)
    sheet = Image.new('RGB', (width, bottom + legend.height), 'white')
    for column, heading in enumerate(rows[0]):
        x = MARGIN + column * (PANEL_WIDTH + MARGIN)
        _write(sheet, (x, MARGIN // 2), heading)
        for top, panels in zip(tops, rows, strict=True):
            sheet.paste(panels[heading], (x, top))
    sheet.paste(legend, (0, bottom))
    return sheet


def draw_panels(
    sample: Sample,
    palette: np.ndarray,
    predictions: Mapping[str, Path | None],
    width: int,
) -> dict[str, Image.Image]:
    """Draw the input, the ground truth and every prediction of a sample, by heading.

    Args:
        sample: The sample.
        palette: RGB colours of the classes (C, 3), uint8.
        predictions: Folder of every method, see :func:`draw_sheet`.
        width: Width of each panel in pixels.

    Raises:
        InputError: See :func:`read_prediction`.
    """
    size = (width, round(width * sample.image.height / sample.image.width))

    def paint(label: np.ndarray) -> Image.Image:
        return colorize(label, palette).resize(size, Image.Resampling.NEAREST)

    panels = {
        'input': sample.image.resize(size, Image.Resampling.BILINEAR),
        'ground truth': paint(sample.label),
    }
    for name, folder in predictions.items():
        panels[name] = (
            paint(_predicted(folder, sample, len(palette)))
            if folder
            else _no_result(size)
        )
    return panels


def _predicted(folder: Path, sample: Sample, num_classes: int) -> np.ndarray:
    return read_prediction(folder, sample.name, sample.label.shape, num_classes)


def _no_result(size: tuple[int, int]) -> Image.Image:
    panel = Image.new('RGB', size, 'lightgray')
    _write(panel, (MARGIN, MARGIN), 'no result')
    return panel


def _draw_legend(
    classes: Sequence[str], palette: np.ndarray, width: int
) -> Image.Image:
    columns = max(1, (width - MARGIN) // LEGEND_WIDTH)
    lines = -(-len(classes) // columns)
    legend = Image.new('RGB', (width, lines * TEXT_HEIGHT + MARGIN), 'white')
    for index, name in enumerate(classes):
        x = MARGIN + index % columns * LEGEND_WIDTH
        y = MARGIN // 2 + index // columns * TEXT_HEIGHT
        swatch = Image.new('RGB', (SWATCH, SWATCH), tuple(map(int, palette[index])))
        legend.paste(swatch, (x, y + 2))
        _write(legend, (x + SWATCH + 5, y), name)
    return legend


def _write(image: Image.Image, position: tuple[int, int], text: str) -> None:
    font = ImageFont.load_default(size=14)
    ImageDraw.Draw(image).text(position, text, fill='black', font=font)
