"""Tiny models and batches, and the methods to try them on."""

from __future__ import annotations

import copy
from fractions import Fraction
from pathlib import Path

import numpy as np
from mmengine.config import Config
from PIL import Image

from cfcontra_mm.contract.cases import CONFIG as TOYSTREETS
from cfcontra_mm.contract.cases import Case, registered_methods
from cfcontra_mm.contract.tiny import (
    build_method,
    build_optimizer,
    leaves,
    merged,
    narrow_discriminators,
    random_batch,
    sample,
    step_losses,
    summed_gradients,
    summed_loss,
)
from cfcontra_mm.engine.memory_bank import move_centers
from cfcontra_mm.methods import UDASegmentor
from cfcontra_mm.methods.passes import domain_inputs

__all__ = [
    'CONFIGS',
    'TOYSTREETS',
    'begin_centers',
    'build_method',
    'build_optimizer',
    'case_of',
    'grid_place',
    'labelled_split',
    'leaves',
    'merged',
    'method_folders',
    'narrow_discriminators',
    'one_folder_a_method',
    'random_batch',
    'registered_methods',
    'sample',
    'step_losses',
    'summed_gradients',
    'summed_loss',
    'tiny_config',
    'write_streets',
]
CONFIGS = Path(__file__).parents[1] / 'configs'


def method_folders(config: str = TOYSTREETS) -> list[str]:
    """Folders of configs that hold a config of this name."""
    return sorted(path.parent.name for path in CONFIGS.glob(f'[!_]*/{config}'))


def one_folder_a_method() -> list[str]:
    """A folder for each method; the oracle is source-only on other data."""
    return [folder for folder in method_folders() if folder != 'oracle']


def case_of(folder: str, network: str = 'deeplab') -> Case:
    """The method of a folder of configs on a tiny network, with its settings."""
    path = CONFIGS / folder / TOYSTREETS
    return Case(Config.fromfile(path).model.type, network, str(path))


def tiny_config(folder: str) -> Config:
    """The ToyStreets config of a method with a narrow network: 8 to 64 channels."""
    return case_of(folder).load()


def begin_centers(model: UDASegmentor, data: dict) -> None:
    """Give a method with class centers its first ones from a batch."""
    if not hasattr(model, 'class_centers'):
        return
    batch = model.data_preprocessor(copy.deepcopy(data), training=True)
    for domain in ('source', 'target'):
        model.accumulate_centers(domain, domain_inputs(batch, domain))
        move_centers(model.class_centers)


def grid_place(cell: int, cells: int, pixels: int) -> int:
    """The pixel at which feature number `cell` of a row of `cells` lies."""
    return round(Fraction(cell * (pixels - 1), max(cells - 1, 1)))


def labelled_split(root: Path, palette: dict[str, list[int]]) -> str:
    """Text of a config whose test data are the images and labels in a folder."""
    return f"""
test_dataloader = dict(dataset=dict(
    type='BaseSegDataset', data_root={str(root)!r}, test_mode=True,
    data_prefix=dict(img_path='images', seg_map_path='labels'),
    img_suffix='.png', seg_map_suffix='.png',
    metainfo=dict(classes={tuple(palette)}, palette={list(palette.values())}),
    pipeline=[
        dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'),
        dict(type='PackSegInputs')]))
"""


def write_streets(root: Path) -> Path:
    """Write six 64x32 images, road (0) below sky (1), with their labels."""
    label = np.zeros((32, 64), np.uint8)
    label[:12] = 1
    label[:, :4] = 255
    for index in range(6):
        arrays = dict(images=np.full((32, 64, 3), 40 * index, np.uint8), labels=label)
        for folder, array in arrays.items():
            (root / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(array).save(root / folder / f'street_{index}.png')
    return root
