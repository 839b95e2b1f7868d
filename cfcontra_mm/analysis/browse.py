"""Write images of both domains as the network sees them in training."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmseg.registry import DATASETS
from mmseg.structures import SegDataSample
from PIL import Image
from torch import Tensor

from cfcontra_mm.datasets import DomainDataset, DomainSampler
from cfcontra_mm.domains import DOMAINS
from cfcontra_mm.errors import InputError

from .output import write_image
from .sheet import IGNORE_INDEX, colorize

OPACITY = 0.6


def browse(cfg: Config, count: int, out: Path) -> list[Path]:
    """Write the first images of each domain that a training on one device draws.

    They are written after the transforms but before the network's normalisation:
    ``source_0_<image>.png`` with a copy beside it that has its labels as overlay,
    ``target_0_<image>.png`` without labels, as the target has none.

    Args:
        cfg: Config of a method.
        count: Number of images of each domain.
        out: Folder to write to.

    Returns:
        The written files.

    Raises:
        InputError: The config does not train on a pair of domains, or an image is
            damaged.
    """
    dataset = training_set(cfg)
    palette = np.array(dataset.metainfo['palette'], np.uint8)
    written = []
    for domain, number, item in draw_items(dataset, cfg, count):
        sample = item['data_samples']
        image = draw_item(item['inputs'], sample, palette)
        path = out / f'{domain}_{number}_{Path(sample.img_path).stem}.png'
        write_image(image, path)
        written.append(path)
    return written


def training_set(cfg: Config) -> DomainDataset:
    loader = cfg.get('train_dataloader') or {}
    if loader.get('dataset', {}).get('type') != 'DomainDataset':
        raise InputError(
            f'{cfg.filename}: train_dataloader.dataset is not a DomainDataset; use the '
            'config of a method'
        )
    with DefaultScope.overwrite_default_scope('mmseg'):
        return DATASETS.build(loader['dataset'])


def draw_items(
    dataset: DomainDataset, cfg: Config, count: int
) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """Yield domain, number within it and item of the first draws of each domain."""
    # The sampler seeds the transforms of the data set, as in training.
    seed = cfg.get('randomness', {}).get('seed') or 0
    per_domain = cfg.train_dataloader.sampler.per_domain
    drawn = dict.fromkeys((d for d in DOMAINS if d in per_domain), 0)
    for draw in DomainSampler(dataset, per_domain, seed):
        if min(drawn.values()) == count:
            return
        domain = dataset.domain_of(draw.index)
        if drawn[domain] < count:
            yield domain, drawn[domain], dataset[draw]
            drawn[domain] += 1


def draw_item(
    inputs: Tensor, sample: SegDataSample, palette: np.ndarray
) -> Image.Image:
    """Draw an image (3, H, W), BGR in 0-255, and its labels beside it, if any."""
    pixels = inputs.flip(0).permute(1, 2, 0).clamp(0, 255).byte()
    image = Image.fromarray(np.ascontiguousarray(pixels.numpy()))
    if 'gt_sem_seg' not in sample:
        return image
    label = sample.gt_sem_seg.data.squeeze(0).numpy().astype(np.uint8)
    painted = Image.blend(image, colorize(label, palette), OPACITY)
    # Ignored pixels have no overlay.
    painted.paste(image, mask=Image.fromarray(label == IGNORE_INDEX))
    pair = Image.new('RGB', (2 * image.width, image.height))
    pair.paste(image, (0, 0))
    pair.paste(painted, (image.width, 0))
    return pair
