"""Plan a translation: which images it reads, and where it writes them."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from mmengine.config import Config
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS

from cfcontra_mm.errors import InputError
from cfcontra_mm.files import is_within

from .copy_folder import FORMATS

DIRECTIONS = ('source_to_target', 'target_to_source')

STYLE_REUSE = 10
"""Number of images that share a style image.

Encoding a style costs half as much as a translation; shared by ten it adds about 5 %.
"""

MIN_STYLES = 16
"""Number of style images for a small data set."""


@dataclass(frozen=True)
class Options:
    """What to translate, and how.

    Args:
        direction: One of ``DIRECTIONS``.
        alpha: Strength of the style, from 0 to 1.
        seed: Seed of the choice of style images.

    Raises:
        InputError: A number is out of range.
    """

    direction: str = DIRECTIONS[0]
    alpha: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.alpha <= 1:
            raise InputError(f'--alpha: must be in 0-1, not {self.alpha}')
        if self.seed < 0:
            raise InputError(f'--seed: must be at least 0, not {self.seed}')


class Plan(NamedTuple):
    """What to write where, by the paths in the folder of the copy.

    Attributes:
        images: Image to translate, by the path of its copy.
        styles: Style image, by the path of the copy.
        links: Folder of the original to link, by the path of the link.
        folders: The folder of the images to translate and that of the style images.
    """

    images: dict[str, str]
    styles: dict[str, str]
    links: dict[str, Path]
    folders: list[str]


def make_plan(cfg: Config, out: Path, options: Options) -> Plan:
    """Plan a translation and check all that can be checked without opening images.

    Args:
        cfg: Config that names the training data.
        out: Folder of the copy.
        options: What to translate.

    Raises:
        InputError: The config names no such data, files are missing, ``out`` lies in a
            folder that is read, or an image has an unsupported format.
    """
    origin, lender = options.direction.split('_to_')
    original, styles = _build(cfg, origin), _build(cfg, lender)
    folder = original.data_prefix['img_path']
    own, links = _layout(original, out)
    images = {
        Path(own, os.path.relpath(image, folder)).as_posix(): image
        for image in _image_paths(original)
    }
    folders = [folder, styles.data_prefix['img_path']]
    _check_paths(out, folders, images.values())
    chosen = assign_styles(images, _image_paths(styles), options.seed)
    return Plan(images, chosen, links, folders)


def _build(cfg: Config, domain: str) -> BaseSegDataset:
    loader = cfg.get('train_dataloader') or {}
    dataset = loader.get('dataset', {}).get(domain)
    field = f'train_dataloader.dataset.{domain}'
    if dataset is None:
        raise InputError(f'{cfg.filename}: sets no {field}; use one of configs/adain')
    if isinstance(dataset, list | tuple):
        if len(dataset) != 1:
            raise InputError(
                f'{cfg.filename}: {field} lists {len(dataset)} data sets; translate '
                'them one by one, with a config for each'
            )
        dataset = dataset[0]
    return DATASETS.build(dict(dataset, pipeline=[], serialize_data=False))


def _image_paths(dataset: BaseSegDataset) -> list[str]:
    return [dataset.get_data_info(i)['img_path'] for i in range(len(dataset))]


def _layout(dataset: BaseSegDataset, out: Path) -> tuple[Path, dict[str, Path]]:
    """Return the folder of the images in the copy, and the folders to link by name."""
    folder = Path(dataset.data_prefix['img_path']).absolute()
    root = Path(dataset.data_root or folder).absolute()
    if root == folder or not folder.is_relative_to(root):
        return Path(folder.name), _label_link(dataset, folder.name)
    own = folder.relative_to(root)
    beside = {
        entry.name: entry
        for entry in sorted(root.iterdir())
        if entry.is_dir() and entry.name != own.parts[0] and not is_within(out, entry)
    }
    return own, beside


def _label_link(dataset: BaseSegDataset, image_folder: str) -> dict[str, Path]:
    folder = dataset.data_prefix.get('seg_map_path')
    if not folder:
        return {}
    name = Path(folder).absolute().name
    # Both may be called, say, train.
    return {f'{name}_labels' if name == image_folder else name: Path(folder)}


def _check_paths(out: Path, folders: list[str], images: Iterable[str]) -> None:
    for folder in folders:
        if is_within(out, folder):
            raise InputError(
                f'{out}: --out lies in {folder}, which is read; choose another folder'
            )
    for image in images:
        if Path(image).suffix.lower() not in FORMATS:
            raise InputError(
                f'{image}: unsupported output format; convert the images to one of '
                f'{", ".join(FORMATS)}'
            )


def assign_styles(
    images: Iterable[str], styles: Sequence[str], seed: int
) -> dict[str, str]:
    """Draw a style image for each image.

    Each style image that is drawn is used for about ``STYLE_REUSE`` images. At least
    ``MIN_STYLES`` are drawn if there are that many, and all are used equally often, up
    to a difference of one.

    Args:
        images: Names of the images to translate.
        styles: Paths of the style images.
        seed: Seed of the draw.

    Returns:
        The style image of each name, in the order of the sorted names.
    """
    names = sorted(images)
    random = np.random.default_rng(seed)
    number = max(MIN_STYLES, math.ceil(len(names) / STYLE_REUSE))
    drawn = random.choice(sorted(styles), min(number, len(styles)), replace=False)
    turns = random.permutation(len(names)) % len(drawn)
    return {name: str(drawn[turn]) for name, turn in zip(names, turns, strict=True)}
