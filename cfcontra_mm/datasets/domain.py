"""Source and target as one data set, drawn from in a fixed proportion."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmcv.transforms import Compose as MMCVCompose
from mmcv.transforms import LoadAnnotations as MMCVLoadAnnotations
from mmengine.dataset import Compose
from mmengine.dist import get_dist_info, sync_random_seed
from mmseg.datasets import transforms as mmseg_transforms
from mmseg.registry import DATA_SAMPLERS, DATASETS
from torch.utils.data import ConcatDataset, Dataset, Sampler

from cfcontra_mm.datasets.transforms import MapLabels
from cfcontra_mm.domains import DOMAINS
from cfcontra_mm.errors import InputError


class Draw(NamedTuple):
    """One drawing of a picture: which, and the how-manieth of the whole run."""

    index: int
    count: int


@contextmanager
def keep_random_state() -> Iterator[None]:
    """Restores Python's, NumPy's and torch's CPU generators at its end."""
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])


@contextmanager
def seeded(*key: int) -> Iterator[None]:
    """Seeds Python's, NumPy's and torch's CPU generators from `key`, then restores."""
    python_seed, numpy_seed, torch_seed = map(
        int, np.random.SeedSequence(key).generate_state(3)
    )
    with keep_random_state():
        random.seed(python_seed)
        np.random.seed(numpy_seed)
        # torch.manual_seed would seed the GPUs too, whose state is not restored here.
        torch.default_generator.manual_seed(torch_seed)
        yield


@DATASETS.register_module()
class DomainDataset(ConcatDataset):
    """A labelled source and an unlabelled target, each sample tagged with its domain.

    Indexed with a `Draw`, the transforms' random numbers follow from (seed, count)
    alone: not from the number of workers nor from what was drawn before. Indexed with
    an integer, they come from the generators as they stand.

    Args:
        source: Config or data set, or several of them to be concatenated.
        target: The same; its samples must carry no labels.
        seed: `DomainSampler` sets the run's.

    Attributes:
        domain_ranges: The indices of each domain that was given.

    Raises:
        InputError: No data set at all, data sets of different classes, or a target
            with labels or with a transform that needs them.
    """

    def __init__(
        self,
        source: dict | Dataset | list | None = None,
        target: dict | Dataset | list | None = None,
        seed: int = 0,
    ) -> None:
        domains = dict(source=_build(source), target=_build(target))
        super().__init__(_require_one_class_list(domains))
        for dataset in domains['target']:
            _refuse_labels(dataset)
        sizes = [sum(map(len, datasets)) for datasets in domains.values()]
        ends = itertools.accumulate(sizes)
        self.domain_ranges = {
            name: range(end - size, end)
            for name, size, end in zip(domains, sizes, ends, strict=True)
            if size
        }
        self.seed = seed

    @property
    def metainfo(self) -> dict:
        """Classes and palette, the same for all its data sets."""
        return self.datasets[0].metainfo

    def domain_of(self, index: int) -> str:
        """The domain that an index belongs to."""
        for name, indices in self.domain_ranges.items():
            if index in indices:
                return name
        raise IndexError(f'{index} is not in 0-{len(self) - 1}')

    def __getitem__(self, key: Draw | int) -> dict:
        if not isinstance(key, Draw):
            return self._load(key)
        with seeded(self.seed, key.count):
            return self._load(key.index)

    def _load(self, index: int) -> dict:
        domain = self.domain_of(index)
        try:
            sample = super().__getitem__(index)
        except KeyError as error:
            if domain == 'target' and error.args[0] in ('gt_seg_map', 'seg_map_path'):
                raise InputError(
                    'target.pipeline: a transform reads labels, and the target has '
                    'none in training; remove it'
                ) from error
            raise
        data_sample = sample['data_samples']
        if domain == 'target' and 'gt_sem_seg' in data_sample:
            raise InputError(
                'target.pipeline: its samples carry labels (gt_sem_seg); training '
                'must not see them'
            )
        data_sample.set_metainfo(dict(domain=domain))
        return sample


def _build(datasets: dict | Dataset | list | None) -> list[Dataset]:
    if datasets is None:
        return []
    if not isinstance(datasets, (list, tuple)):
        datasets = [datasets]
    return [DATASETS.build(d) if isinstance(d, dict) else d for d in datasets]


def _require_one_class_list(domains: dict[str, list[Dataset]]) -> list[Dataset]:
    """All data sets in order, if they share their classes."""
    named = [(name, d) for name, datasets in domains.items() for d in datasets]
    if not named:
        raise InputError('DomainDataset: give a source or a target')
    first_name, first = named[0]
    classes = tuple(first.metainfo['classes'])
    for name, dataset in named[1:]:
        others = tuple(dataset.metainfo['classes'])
        if others != classes:
            raise InputError(
                f'{name} ({type(dataset).__name__}): its {len(others)} classes are not '
                f'the {len(classes)} of {first_name} ({type(first).__name__}) in the '
                'same order; map both to one class list'
            )
    return [dataset for _, dataset in named]


def _refuse_labels(dataset: Dataset) -> None:
    """Raises an InputError if a target data set could read labels."""
    if 'seg_map_path' in dataset.get_data_info(0):
        raise InputError(
            f'target ({type(dataset).__name__}): knows where its labels are; leave '
            'seg_map_path out of data_prefix'
        )
    for transform in _transforms(dataset):
        if _needs_labels(transform):
            raise InputError(
                f'target.pipeline: {type(transform).__name__} needs labels, and the '
                'target has none in training; remove it (RandomCrop: cat_max_ratio=1)'
            )


def _transforms(node: object) -> Iterator[BaseTransform]:
    """Every transform under a data set, a wrapper of one, a transform or a list."""
    if isinstance(node, (list, tuple)):
        children: Iterable = node
    elif isinstance(node, dict):
        children = node.values()
    elif isinstance(node, Dataset) or hasattr(node, 'get_data_info'):
        names = ('pipeline', 'dataset', 'datasets')
        children = [getattr(node, name, ()) for name in names]
    elif isinstance(node, (BaseTransform, MMCVCompose, Compose)):
        yield node
        children = vars(node).values()
    else:
        return
    for child in children:
        yield from _transforms(child)


_LABEL_TRANSFORMS = (
    MMCVLoadAnnotations,
    mmseg_transforms.LoadBiomedicalAnnotation,
    mmseg_transforms.LoadDepthAnnotation,
    mmseg_transforms.GenerateEdge,
    MapLabels,
)


def _needs_labels(transform: object) -> bool:
    if isinstance(transform, mmseg_transforms.RandomCrop):
        return transform.cat_max_ratio < 1
    return isinstance(transform, _LABEL_TRANSFORMS)


@DATA_SAMPLERS.register_module()
class DomainSampler(Sampler):
    """Fills every batch with a fixed number of pictures of each domain.

    Each domain is drawn in permutations of its own, a new one whenever it is used up,
    that depend on (seed, domain, epoch) alone. n ranks with k pictures of a domain draw
    in each iteration what one rank with n * k would, and give it the same counts.

    Args:
        dataset: Its `seed` is set to the sampler's.
        per_domain: Pictures of each domain in a batch of one rank; the loader's
            batch size is their sum.
        seed: Of the permutations and of the transforms; drawn and shared by the ranks
            if None.
        num_batches: Batches of one rank in a pass, for validation; without end if
            None, for training.

    Raises:
        InputError: `per_domain` is empty, names a domain that the data set has not, or
            holds a number below 1.
    """

    def __init__(
        self,
        dataset: DomainDataset,
        per_domain: dict[str, int],
        seed: int | None = None,
        num_batches: int | None = None,
    ) -> None:
        if not per_domain:
            raise InputError('per_domain: name at least one domain')
        for name, number in per_domain.items():
            if name not in dataset.domain_ranges:
                raise InputError(f'per_domain: the data set has no domain {name!r}')
            if number < 1:
                raise InputError(f'per_domain.{name}: must be at least 1, not {number}')
        self.rank, self.world_size = get_dist_info()
        self.seed = sync_random_seed() if seed is None else seed
        self.dataset = dataset
        dataset.seed = self.seed
        # Source first, whatever the order in the config.
        self.per_domain = {d: per_domain[d] for d in DOMAINS if d in per_domain}
        self.batch_size = sum(per_domain.values())
        self.num_batches = num_batches
        self.start = 0

    def __iter__(self) -> Iterator[Draw]:
        """Yields the draws of this rank, from where `skip` has put it."""
        epoch_order = lru_cache(maxsize=len(DOMAINS))(self._epoch_order)
        iterations = itertools.count(self.start // self.batch_size)
        for iteration in itertools.islice(iterations, self.num_batches):
            batch = self._batch(iteration, epoch_order)
            skipped = max(0, self.start - iteration * self.batch_size)
            yield from itertools.islice(batch, skipped, None)

    def _batch(self, iteration: int, epoch_order: Callable) -> Iterator[Draw]:
        # Counts of an iteration run over the domains, then over the ranks.
        count = iteration * self.batch_size * self.world_size
        for domain, number in self.per_domain.items():
            indices = self.dataset.domain_ranges[domain]
            everywhere = number * self.world_size
            for place in range(self.rank * number, (self.rank + 1) * number):
                position = iteration * everywhere + place
                epoch, step = divmod(position, len(indices))
                index = indices[epoch_order(domain, epoch)[step]]
                yield Draw(int(index), count + place)
            count += everywhere

    def _epoch_order(self, domain: str, epoch: int) -> np.ndarray:
        key = (self.seed, DOMAINS.index(domain), epoch)
        size = len(self.dataset.domain_ranges[domain])
        return np.random.default_rng(key).permutation(size)

    def skip(self, num_samples: int) -> None:
        """Starts after the first `num_samples` draws of this rank, to resume a run."""
        self.start = num_samples

    def set_epoch(self, epoch: int) -> None:
        """Does nothing: the draws have no end."""

    def __len__(self) -> int:
        """Draws of this rank in a pass; pictures in the data set if it has no end."""
        if self.num_batches is None:
            return len(self.dataset)
        return self.num_batches * self.batch_size
