"""What a translation reads and where each picture goes, known before it starts."""

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

from .copy_folder import FORMATS

DIRECTIONS = ('source_to_target', 'target_to_source')

STYLE_REUSE = 10
"""Pictures that share a style picture.

Encoding a style costs half of a translation; shared by ten it adds about 5 %.
"""

MIN_STYLES = 16
"""Style pictures of a small data set."""


@dataclass(frozen=True)
class Options:
    """What to translate, and how.

    Args:
        direction: One of ``DIRECTIONS``.
        alpha: Share of the style, from 0 to 1.
        seed: Of the choice of style pictures.

    Raises:
        InputError: They do not go together, or are out of range.
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
    """What goes where; the names are relative to the copy's folder."""

    pictures: dict[str, str]
    """Name -> picture to translate."""
    styles: dict[str, str]
    """Name -> picture that lends its style."""
    links: dict[str, Path]
    """Name -> folder that is the copy's as it is the original's."""
    folders: list[str]
    """Where the pictures to translate lie, and the styles."""


def make_plan(cfg: Config, out: Path, options: Options) -> Plan:
    """What to do, all of it checked as far as can be without opening images."""
    origin, lender = options.direction.split('_to_')
    original, styles = _build(cfg, origin), _build(cfg, lender)
    folder = original.data_prefix['img_path']
    own, links = _layout(original, out)
    pictures = {
        Path(own, os.path.relpath(picture, folder)).as_posix(): picture
        for picture in _pictures(original)
    }
    folders = [folder, styles.data_prefix['img_path']]
    _check_place(out, folders, pictures.values())
    chosen = assign_styles(pictures, _pictures(styles), options.seed)
    return Plan(pictures, chosen, links, folders)


def _build(cfg: Config, domain: str) -> BaseSegDataset:
    loader = cfg.get('train_dataloader') or {}
    dataset = loader.get('dataset', {}).get(domain)
    field = f'train_dataloader.dataset.{domain}'
    if dataset is None:
        raise InputError(f'{cfg.filename}: sets no {field}; name one of configs/adain')
    if isinstance(dataset, list | tuple):
        if len(dataset) != 1:
            raise InputError(
                f'{cfg.filename}: {field} lists {len(dataset)} data sets; translate '
                'them one by one, from a config for each'
            )
        dataset = dataset[0]
    return DATASETS.build(dict(dataset, pipeline=[], serialize_data=False))


def _pictures(dataset: BaseSegDataset) -> list[str]:
    return [dataset.get_data_info(i)['img_path'] for i in range(len(dataset))]


def _layout(dataset: BaseSegDataset, out: Path) -> tuple[Path, dict[str, Path]]:
    """Where the pictures go and, by their names, the folders that come along."""
    folder = Path(dataset.data_prefix['img_path']).absolute()
    root = Path(dataset.data_root or folder).absolute()
    if root == folder or not folder.is_relative_to(root):
        return Path(folder.name), _labels(dataset, folder.name)
    own = folder.relative_to(root)
    beside = {
        entry.name: entry
        for entry in sorted(root.iterdir())
        if entry.is_dir() and entry.name != own.parts[0] and not _within(out, entry)
    }
    return own, beside


def _labels(dataset: BaseSegDataset, taken: str) -> dict[str, Path]:
    folder = dataset.data_prefix.get('seg_map_path')
    if not folder:
        return {}
    name = Path(folder).absolute().name
    # Both may be called, say, train.
    return {f'{name}_labels' if name == taken else name: Path(folder)}


def _within(path: str | Path, folder: str | Path) -> bool:
    return Path(path).resolve().is_relative_to(Path(folder).resolve())


def _check_place(out: Path, folders: list[str], pictures: Iterable[str]) -> None:
    for folder in folders:
        if _within(out, folder):
            raise InputError(
                f'{out}: --out lies in {folder}, which is read; choose another'
            )
    for picture in pictures:
        if Path(picture).suffix.lower() not in FORMATS:
            raise InputError(
                f'{picture}: cannot be written again, only {", ".join(FORMATS)}; '
                'convert the pictures'
            )


def assign_styles(
    pictures: Iterable[str], styles: Sequence[str], seed: int
) -> dict[str, str]:
    """The style picture of each picture, drawn at random.

    So few are drawn that each serves about ``STYLE_REUSE`` pictures, but at least
    ``MIN_STYLES`` if there are as many, and each serves equally many, give or take one.

    Args:
        pictures: Names of the pictures to translate.
        styles: Pictures that lend their style.
        seed: Of the draw.

    Returns:
        Name -> style picture, in the order of the sorted names.
    """
    names = sorted(pictures)
    random = np.random.default_rng(seed)
    number = max(MIN_STYLES, math.ceil(len(names) / STYLE_REUSE))
    drawn = random.choice(sorted(styles), min(number, len(styles)), replace=False)
    turns = random.permutation(len(names)) % len(drawn)
    return {name: str(drawn[turn]) for name, turn in zip(names, turns, strict=True)}
