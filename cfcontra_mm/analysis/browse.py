"""Pictures of both domains as the network gets them in training."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

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

from .output import write_picture
from .sheet import IGNORE_INDEX, colorize

OPACITY = 0.6


def browse(cfg: Config, count: int, out: Path) -> list[Path]:
    """Write the first pictures that a training on one device draws of each domain.

    They are written after the transforms and before the normalisation, which is the
    network's: ``source_0_<image>.png`` with its labels painted over a second copy on
    the right, ``target_0_<image>.png`` without labels, as the target has none.

    Args:
        cfg: Config of a method.
        count: Pictures of each domain.
        out: Folder to write to.

    Returns:
        The written files.

    Raises:
        InputError: The config trains on no pair of domains, or a picture is damaged.
    """
    dataset = _training_set(cfg)
    palette = np.array(dataset.metainfo['palette'], np.uint8)
    written = []
    for domain, number, item in draw_items(dataset, cfg, count):
        sample = item['data_samples']
        picture = draw_item(item['inputs'], sample, palette)
        path = out / f'{domain}_{number}_{Path(sample.img_path).stem}.png'
        write_picture(picture, path)
        written.append(path)
    return written


def _training_set(cfg: Config) -> DomainDataset:
    loader = cfg.get('train_dataloader') or {}
    if loader.get('dataset', {}).get('type') != 'DomainDataset':
        raise InputError(
            f'{cfg.filename}: its train_dataloader reads no DomainDataset; name the '
            'config of a method'
        )
    with DefaultScope.overwrite_default_scope('mmseg'):
        return DATASETS.build(loader.dataset)


def draw_items(
    dataset: DomainDataset, cfg: Config, count: int
) -> Iterator[tuple[str, int, dict]]:
    """Domain, number within it and item of the first draws of each domain."""
    # The sampler gives the data set the seed of its transforms, as in training.
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
    """An image (3, H, W), BGR in 0-255, and beside it its labels if it has any."""
    pixels = inputs.flip(0).permute(1, 2, 0).clamp(0, 255).byte()
    image = Image.fromarray(np.ascontiguousarray(pixels.numpy()))
    if 'gt_sem_seg' not in sample:
        return image
    label = sample.gt_sem_seg.data.squeeze(0).numpy().astype(np.uint8)
    painted = Image.blend(image, colorize(label, palette), OPACITY)
    # What is not scored stays as it is.
    painted.paste(image, mask=Image.fromarray(label == IGNORE_INDEX))
    pair = Image.new('RGB', (2 * image.width, image.height))
    pair.paste(image, (0, 0))
    pair.paste(painted, (image.width, 0))
    return pair
