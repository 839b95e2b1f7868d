"""Collects the pixel features of a checkpoint: the one part that runs a network.

The labels of the target are read here to colour and choose pixels. This is analysis of
a finished training, which never saw them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.registry import DefaultScope
from mmengine.utils import track_iter_progress
from mmseg.apis import init_model
from mmseg.models import BaseSegmentor
from sklearn.manifold import TSNE
from torch import Tensor
from torch.nn.functional import interpolate, normalize
from torch.utils.data import Dataset

from cfcontra_mm.datasets import DomainDataset
from cfcontra_mm.domains import DOMAINS
from cfcontra_mm.engine.checkpoints import check_weights, load_state_dict
from cfcontra_mm.errors import InputError
from cfcontra_mm.models.class_centers import class_sums
from cfcontra_mm.models.weights import read_checkpoint, weights_of

from .feature_map import Features
from .sheet import open_test_set

IMAGES = 40
"""Of each domain, spread evenly over it."""

PIXELS_PER_IMAGE = 20
"""Of a class: neighbouring pixels are much alike."""

PIXELS = 150
"""Of a class and domain on the map."""

MOST_COMMON = 8
"""As many classes are drawn unless the user chooses; more are hard to tell apart."""

SEED = 0
PERPLEXITY = 30.0


def collect_features(
    cfg: Config, checkpoint: str, classes: Sequence[str] = (), trust: bool = False
) -> Features:
    """Run a checkpoint on both domains and lay its pixel features out on a map.

    Source pixels come from the training images of the source, as the config names
    them; target pixels from its test images. Features are those of the method's
    ``embed``. The centers are the checkpoint's, or the classes' means where there are
    none.

    Args:
        cfg: Config that the checkpoint was trained with.
        checkpoint: Its file.
        classes: What to show; the most common classes of both domains if empty.
        trust: Whether the file may hold any Python object.

    Raises:
        InputError: The checkpoint does not fit, there is no such class, or no labelled
            pixel to show.
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


def _source(cfg: Config) -> Dataset:
    """The labelled source, as training reads it."""
    source = (cfg.get('train_dataloader') or {}).get('dataset', {}).get('source')
    if source is None:
        raise InputError(
            f'{cfg.filename}: sets no train_dataloader.dataset.source; name the config '
            'of a method'
        )
    with DefaultScope.overwrite_default_scope('mmseg'):
        return DomainDataset(source=source)


def _indices(classes: Sequence[str], names: Sequence[str]) -> list[int]:
    for name in classes:
        if name not in names:
            raise InputError(f'--classes: {name!r} is none of {", ".join(names)}')
    return [names.index(name) for name in dict.fromkeys(classes)]


def load_model(cfg: Config, checkpoint: str, trust: bool = False) -> BaseSegmentor:
    """Build the network of a config with the weights of a checkpoint, to predict.

    Raises:
        InputError: A weight is missing or has another shape, or the file cannot be
            used.
    """
    state_dict = weights_of(read_checkpoint(checkpoint, trust=trust))
    model = init_model(cfg, device=get_device())
    check_weights(model, state_dict, checkpoint)
    missing = [key for key in model.state_dict() if key not in state_dict]
    if missing:
        raise InputError(
            f'{checkpoint}: {missing[0]} is missing; use the config that it was '
            'trained with'
        )
    load_state_dict(model, state_dict)
    if not hasattr(model, 'class_centers'):
        also = any(key.startswith('class_centers.') for key in state_dict)
        where = f"the config's {cfg.model.type}" if also else checkpoint
        _say(f'{where} has no class centers; the map shows the means of the pixels')
    return model


def _say(text: str) -> None:
    print(f'note: {text}', file=sys.stderr)


@torch.no_grad()
def sample_pixels(
    model: BaseSegmentor, dataset: Dataset, num_classes: int
) -> tuple[Tensor, Tensor]:
    """Some pixels of each class from images spread over a data set.

    Returns:
        Features of unit length (P, D), float32, and labels (P,), on the CPU.

    Raises:
        InputError: There is no labelled pixel.
    """
    generator = torch.Generator().manual_seed(SEED)
    count = min(IMAGES, len(dataset))
    places = np.linspace(0, len(dataset) - 1, count, dtype=int).tolist()
    features, labels = [], []
    for index in track_iter_progress(places):
        pixels, classes = pixel_features(model, dataset[index])
        rows = torch.cat(list(_draw(classes, num_classes, PIXELS_PER_IMAGE, generator)))
        features.append(pixels[rows])
        labels.append(classes[rows])
    if not sum(map(len, labels)):
        raise InputError(f'{count} images hold no labelled pixel; check the labels')
    return torch.cat(features), torch.cat(labels)


def pixel_features(model: BaseSegmentor, item: dict) -> tuple[Tensor, Tensor]:
    """Features (h * w, D), of unit length, and labels (h * w,) of an image."""
    batch = dict(inputs=[item['inputs']], data_samples=[item['data_samples']])
    images = model.data_preprocessor(batch, training=False)['inputs']
    features = model.embed(model.extract_feat(images))
    label = item['data_samples'].gt_sem_seg.data[None].float()
    label = interpolate(label, features.shape[2:]).flatten().long()
    pixels = features.permute(0, 2, 3, 1).flatten(0, 2)
    return normalize(pixels.float(), dim=1).cpu(), label


def _draw(
    labels: Tensor, num_classes: int, limit: int, generator: torch.Generator
) -> Iterator[Tensor]:
    """Rows of each class in turn, at most so many of each, drawn at random."""
    for index in range(num_classes):
        rows = (labels == index).nonzero().flatten()
        yield rows[torch.randperm(len(rows), generator=generator)[:limit]]


def most_common(labels: Sequence[Tensor], num_classes: int) -> list[int]:
    """The classes with the most sampled pixels in the domain that has fewer of them."""
    counts = torch.stack([torch.bincount(x, minlength=num_classes) for x in labels])
    fewest = counts.min(dim=0).values
    order = torch.argsort(fewest, descending=True, stable=True)[:MOST_COMMON]
    return sorted(index for index in order.tolist() if fewest[index])


def choose_pixels(
    features: Tensor, labels: Tensor, chosen: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """Features and labels of some classes, renumbered; at most ``PIXELS`` of each."""
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
        _say(f'the {domain} images looked at hold no {", ".join(absent)}')


def domain_centers(
    model: BaseSegmentor, parts: Sequence[tuple[Tensor, Tensor]], chosen: Sequence[int]
) -> tuple[Tensor, bool]:
    """Centers (2, K, D) of unit length, NaN where there is none; whether the bank's."""
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
    """A t-SNE (P, 2) of rows (P, D) (van der Maaten and Hinton, 2008).

    Raises:
        InputError: There are too few rows.
    """
    if len(rows) < 4:
        raise InputError(f'{len(rows)} pixels are too few for a map; add --classes')
    # PCA's axes start it, so that the same features always give the same map.
    perplexity = min(PERPLEXITY, (len(rows) - 1) / 3)
    return TSNE(perplexity=perplexity, init='pca', random_state=SEED).fit_transform(
        rows
    )
