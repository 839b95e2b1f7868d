"""Collect the pixel features of a checkpoint, by running its network.

The target labels are read here to colour and select pixels. This is an analysis of a
finished training, which never saw them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.registry import DefaultScope
from mmengine.utils import track_iter_progress
from mmseg.apis import init_model
from mmseg.datasets import BaseSegDataset
from mmseg.models import BaseSegmentor
from sklearn.manifold import TSNE
from torch import Tensor
from torch.nn.functional import normalize

from cfcontra_mm.datasets import DomainDataset
from cfcontra_mm.domains import DOMAINS
from cfcontra_mm.engine.checkpoints import check_weights, load_state_dict
from cfcontra_mm.errors import InputError
from cfcontra_mm.models.class_centers import class_sums
from cfcontra_mm.models.label_grid import labels_on_grid
from cfcontra_mm.models.weights import read_checkpoint, weights_of

from .feature_map import Features
from .sheet import open_test_set

IMAGES = 40
"""Number of images of each domain, spread evenly over it."""

PIXELS_PER_IMAGE = 20
"""Maximum of each class, as neighbouring pixels are similar."""

PIXELS = 150
"""Maximum of each class and domain on the map."""

MOST_COMMON = 8
"""Default number of classes; more colours are hard to distinguish."""

SEED = 0
PERPLEXITY = 30.0

EMBEDDING = ('projection_head.', 'class_centers.')
"""Weights that a map needs beside those of the backbone."""


def collect_features(
    cfg: Config, checkpoint: str, classes: Sequence[str] = (), trust: bool = False
) -> Features:
    """Run a checkpoint on both domains and map its pixel features by t-SNE.

    Source pixels are from the config's source training images, target pixels from its
    test images. Features are those of the method's ``embed``. Centers are those of the
    checkpoint, or the means of the classes if it has none.

    Args:
        cfg: Config that the checkpoint was trained with.
        checkpoint: Checkpoint file.
        classes: Classes to show; the most common ones of both domains if empty.
        trust: Whether to unpickle arbitrary Python objects of the file.

    Raises:
        InputError: The checkpoint does not match the model, a class is unknown, or
            there is no labelled pixel.
    """
    datasets = dict(source=_source(cfg), target=open_test_set(cfg))
    names = tuple(datasets['target'].metainfo['classes'])
    chosen = _indices(classes, names)
    model = load_model(cfg, checkpoint, trust)
    parts = [sample_pixels(model, datasets[domain], len(names)) for domain in DOMAINS]
    chosen = chosen or most_common([labels for _, labels in parts], len(names))
    parts = [choose_pixels(*part, chosen) for part in parts]
    for domain, (_, labels) in zip(DOMAINS, parts, strict=True):
        _report_absent(domain, [names[c] for c in chosen], labels)
    palette = np.array(datasets['target'].metainfo['palette'], np.uint8)[chosen]
    return _lay_out(tuple(names[c] for c in chosen), palette, parts, model, chosen)


def _source(cfg: Config) -> DomainDataset:
    """Build the labelled source data set, as training reads it."""
    source = (cfg.get('train_dataloader') or {}).get('dataset', {}).get('source')
    if source is None:
        raise InputError(
            f'{cfg.filename}: train_dataloader.dataset.source is not set; use the '
            'config of a method'
        )
    with DefaultScope.overwrite_default_scope('mmseg'):
        return DomainDataset(source=source)


def _indices(classes: Sequence[str], names: Sequence[str]) -> list[int]:
    for name in classes:
        if name not in names:
            known = ', '.join(names)
            raise InputError(f'--classes: unknown class {name!r}; choose from {known}')
    return [names.index(name) for name in dict.fromkeys(classes)]


def load_model(cfg: Config, checkpoint: str, trust: bool = False) -> BaseSegmentor:
    """Build the network of a config with the weights of a checkpoint, for inference.

    Raises:
        InputError: The checkpoint does not match the model, or cannot be read.
    """
    state_dict = weights_of(read_checkpoint(checkpoint, trust=trust))
    model = init_model(cfg, device=get_device())
    check_weights(model, state_dict, checkpoint)
    needed = [key for key in model.state_dict() if key.startswith(EMBEDDING)]
    missing = [key for key in needed if key not in state_dict]
    if missing:
        raise InputError(
            f'{checkpoint}: checkpoint does not match the model: {missing[0]} is '
            'missing; use the config that it was trained with'
        )
    load_state_dict(model, state_dict)
    if not hasattr(model, 'class_centers'):
        stored = any(key.startswith('class_centers.') for key in state_dict)
        where = f"the config's {cfg.model.type}" if stored else checkpoint
        _note(f'{where} has no class centers; the map shows the means of the pixels')
    return model


def _note(text: str) -> None:
    print(f'note: {text}', file=sys.stderr)


@torch.no_grad()
def sample_pixels(
    model: BaseSegmentor, dataset: DomainDataset | BaseSegDataset, num_classes: int
) -> tuple[Tensor, Tensor]:
    """Sample pixels of each class from images spread over a data set.

    Returns:
        Features of unit length (P, D), float32, and labels (P,), on the CPU.

    Raises:
        InputError: There is no labelled pixel.
    """
    generator = torch.Generator().manual_seed(SEED)
    count = min(IMAGES, len(dataset))
    indices = np.linspace(0, len(dataset) - 1, count, dtype=np.int64).tolist()
    features, labels = [], []
    for index in track_iter_progress(indices):
        pixels, classes = pixel_features(model, dataset[index])
        rows = torch.cat(list(_draw(classes, num_classes, PIXELS_PER_IMAGE, generator)))
        features.append(pixels[rows])
        labels.append(classes[rows])
    if not sum(map(len, labels)):
        raise InputError(f'no labelled pixel in {count} images; check the labels')
    return torch.cat(features), torch.cat(labels)


def pixel_features(model: BaseSegmentor, item: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """Compute unit-length features (h * w, D) and labels (h * w,) of an image."""
    batch = dict(inputs=[item['inputs']], data_samples=[item['data_samples']])
    images = model.data_preprocessor(batch, training=False)['inputs']
    features = model.embed(model.extract_feat(images))
    label = item['data_samples'].gt_sem_seg.data
    align = model.decode_head.align_corners
    label = labels_on_grid(label, features.shape[2:], align).flatten().long()
    pixels = features.permute(0, 2, 3, 1).flatten(0, 2)
    return normalize(pixels.float(), dim=1).cpu(), label


def _draw(
    labels: Tensor, num_classes: int, limit: int, generator: torch.Generator
) -> Iterator[Tensor]:
    """Draw the rows of each class in turn, at random and at most ``limit`` of each."""
    for index in range(num_classes):
        rows = (labels == index).nonzero().flatten()
        yield rows[torch.randperm(len(rows), generator=generator)[:limit]]


def most_common(labels: Sequence[Tensor], num_classes: int) -> list[int]:
    """Return the classes with the most pixels in the domain that has fewer of them."""
    counts = torch.stack([torch.bincount(x, minlength=num_classes) for x in labels])
    fewest = counts.min(dim=0).values
    order = torch.argsort(fewest, descending=True, stable=True)[:MOST_COMMON]
    return sorted(index for index in order.tolist() if fewest[index])


def choose_pixels(
    features: Tensor, labels: Tensor, chosen: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """Select at most ``PIXELS`` pixels of each chosen class and renumber the labels."""
    numbers = torch.full((256,), len(chosen))
    numbers[list(chosen)] = torch.arange(len(chosen))
    renumbered = numbers[labels]
    generator = torch.Generator().manual_seed(SEED)
    rows = torch.cat(list(_draw(renumbered, len(chosen), PIXELS, generator)))
    return features[rows], renumbered[rows]


def _report_absent(domain: str, names: Sequence[str], labels: Tensor) -> None:
    present = set(labels.tolist())
    absent = [name for index, name in enumerate(names) if index not in present]
    if absent:
        _note(f'the sampled {domain} images contain no {", ".join(absent)}')


def domain_centers(
    model: BaseSegmentor, parts: Sequence[tuple[Tensor, Tensor]], chosen: Sequence[int]
) -> tuple[Tensor, bool]:
    """Return unit-length centers (2, K, D), NaN for none, and whether the bank's."""
    bank = getattr(model, 'class_centers', None)
    if bank is not None:
        centers, seen = bank.centers[:, chosen].cpu(), bank.initialized[:, chosen].cpu()
    else:
        sums, counts = zip(*(class_sums(*p, len(chosen)) for p in parts), strict=True)
        centers, seen = torch.stack(sums), torch.stack(counts) > 0
    centers = normalize(centers.float(), dim=2)
    return centers.where(seen[..., None], torch.nan), bank is not None


def _lay_out(
    classes: tuple[str, ...],
    palette: np.ndarray,
    parts: Sequence[tuple[Tensor, Tensor]],
    model: BaseSegmentor,
    chosen: Sequence[int],
) -> Features:
    centers, from_bank = domain_centers(model, parts, chosen)
    pixels = torch.cat([features for features, _ in parts])
    rows = centers.flatten(0, 1)
    exists = ~rows[:, 0].isnan()
    places = embed(torch.cat([pixels, rows[exists]]).numpy())
    center_map = np.full((len(rows), 2), np.nan, np.float32)
    center_map[exists.numpy()] = places[len(pixels) :]
    return Features(
        classes=classes,
        palette=palette,
        pixels=pixels.numpy(),
        labels=torch.cat([labels for _, labels in parts]).numpy(),
        domains=np.repeat([0, 1], [len(labels) for _, labels in parts]),
        centers=centers.numpy(),
        from_bank=from_bank,
        pixel_map=places[: len(pixels)],
        center_map=center_map.reshape(len(DOMAINS), len(classes), 2),
    )


def embed(rows: np.ndarray) -> np.ndarray:
    """Compute a t-SNE (P, 2) of rows (P, D) (van der Maaten and Hinton, 2008).

    Raises:
        InputError: There are too few rows.
    """
    if len(rows) < 4:
        raise InputError(f'{len(rows)} pixels are too few for a map; add --classes')
    # Initialised by PCA, so that the same features always give the same map.
    perplexity = min(PERPLEXITY, (len(rows) - 1) / 3)
    return TSNE(perplexity=perplexity, init='pca', random_state=SEED).fit_transform(
        rows
    )
