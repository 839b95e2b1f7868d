"""Collect the pixel features of a trained network; this runs the network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmseg.datasets import BaseSegDataset
from mmseg.models import BaseSegmentor
from mmseg.registry import DATASETS
from torch import Tensor
from torch.nn.functional import interpolate

from cfcontra_mm.benchmark.sheet import open_test_set
from cfcontra_mm.domains import DOMAINS
from cfcontra_mm.engine.checkpoints import load_segmentor
from cfcontra_mm.errors import InputError

from .feature_map import Features

NUM_IMAGES = 30
NUM_CLASSES = 6
PIXELS = 120
"""Of every class and domain."""


def collect_features(
    cfg: Config, checkpoint: str | Path, classes: Sequence[str] = ()
) -> Features:
    """Pixel features of both domains, those that the class centers live among.

    These are the backbone's last, remapped by a method's projection head where there is
    one. Of the source's training images and the target's test images a few are looked
    at, evenly spread, and as many pixels of each class drawn at random.
    Labels say which class a pixel has; the network is trained and does not see them.

    Args:
        cfg: Config of the run, a user's folders filled in.
        checkpoint: Its checkpoint.
        classes: Names of the classes; those with the most labelled pixels if empty.

    Returns:
        The features, with the class centers of the checkpoint, or the classes' means
        where a method has none.

    Raises:
        InputError: The checkpoint does not fit, the config has no labelled data, or a
            class is none of them.
    """
    model = load_segmentor(checkpoint)
    names = model.dataset_meta['classes']
    unknown = sorted(set(classes) - set(names))
    if unknown:
        raise InputError(
            f'--classes {unknown[0]}: no class of {checkpoint}; choose from '
            f'{", ".join(names)}'
        )
    pixels = [_labelled_pixels(model, data) for data in _datasets(cfg)]
    chosen = [names.index(c) for c in classes] or _most_frequent(pixels)
    random = np.random.default_rng(0)
    drawn = [_draw(*found, chosen, random) for found in pixels]
    centers = _centers(model, drawn, chosen)
    return Features(
        values=np.concatenate([values for values, _ in drawn]),
        labels=np.concatenate([labels for _, labels in drawn]),
        domains=np.repeat(range(len(DOMAINS)), [len(labels) for _, labels in drawn]),
        **centers,
        classes=tuple(names[index] for index in chosen),
        palette=np.array(model.dataset_meta['palette'], np.uint8)[chosen],
    )


def _datasets(cfg: Config) -> tuple[BaseSegDataset, BaseSegDataset]:
    """Labelled data of the source and of the target."""
    source = cfg.get('train_dataloader', {}).get('dataset', {}).get('source')
    if source is None:
        raise InputError(
            f'{cfg.filename}: sets no train_dataloader.dataset.source; name the config '
            'of a run'
        )
    first = source[0] if isinstance(source, list | tuple) else source
    with DefaultScope.overwrite_default_scope('mmseg'):
        return DATASETS.build(first), open_test_set(cfg)


@torch.no_grad()
def _labelled_pixels(
    model: BaseSegmentor, dataset: BaseSegDataset
) -> tuple[np.ndarray, np.ndarray]:
    """Features (P, D) and classes (P,) of the pixels of a few images."""
    found = [_pixels_of(model, item) for item in _spread(dataset)]
    values, labels = zip(*found, strict=True)
    return torch.cat(values).cpu().numpy(), torch.cat(labels).cpu().numpy()


def _spread(dataset: BaseSegDataset) -> Iterator[dict]:
    count = min(NUM_IMAGES, len(dataset))
    for index in np.linspace(0, len(dataset) - 1, count, dtype=int):
        yield dataset[int(index)]


def _pixels_of(model: BaseSegmentor, item: dict) -> tuple[Tensor, Tensor]:
    batch = dict(inputs=[item['inputs']], data_samples=[item['data_samples']])
    batch = model.data_preprocessor(batch)
    features = model.extract_feat(batch['inputs'])[-1]
    if hasattr(model, 'projection_head'):
        features = model.projection_head(features)
    label = item['data_samples'].gt_sem_seg.data[None].float()
    # The nearest label of each feature, as in training.
    labels = interpolate(label, features.shape[2:]).flatten().long()
    values = features.permute(0, 2, 3, 1).flatten(0, 2)
    few = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    few = few[: PIXELS * NUM_CLASSES]
    return values[few], labels[few]


def _most_frequent(pixels: Sequence[tuple[np.ndarray, np.ndarray]]) -> list[int]:
    counts = [Counter(labels.tolist()) for _, labels in pixels]
    both = Counter({c: min(count[c] for count in counts) for c in counts[0]})
    both.pop(255, None)
    return sorted(c for c, number in both.most_common(NUM_CLASSES) if number)


def _draw(
    values: np.ndarray,
    labels: np.ndarray,
    chosen: Sequence[int],
    random: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Some pixels of every chosen class; their labels count in ``chosen``."""
    places = []
    for index in chosen:
        of_class = np.flatnonzero(labels == index)
        places.append(random.permutation(of_class)[:PIXELS])
    counts = [len(place) for place in places]
    return values[np.concatenate(places)], np.repeat(range(len(chosen)), counts)


def _centers(
    model: BaseSegmentor,
    drawn: Sequence[tuple[np.ndarray, np.ndarray]],
    chosen: Sequence[int],
) -> dict[str, np.ndarray]:
    bank = getattr(model, 'class_centers', None)
    if bank is not None:
        centers = bank.centers[:, chosen].cpu().numpy()
        return dict(centers=centers, has_center=bank.initialized[:, chosen].numpy())
    size = len(chosen), drawn[0][0].shape[1]
    centers = np.zeros((len(DOMAINS), *size), np.float32)
    has_center = np.zeros(centers.shape[:2], bool)
    for domain, (values, labels) in enumerate(drawn):
        for index in set(labels.tolist()):
            centers[domain, index] = values[labels == index].mean(axis=0)
            has_center[domain, index] = True
    return dict(centers=centers, has_center=has_center)
