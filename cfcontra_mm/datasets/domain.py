"""Source and target as one data set, and a sampler that draws them in proportion."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmcv.transforms import Compose as MMCVCompose
from mmcv.transforms import LoadAnnotations as MMCVLoadAnnotations
from mmengine.dataset import BaseDataset, Compose
from mmengine.dist import get_dist_info, sync_random_seed
from mmseg.datasets import transforms as mmseg_transforms
from mmseg.registry import DATA_SAMPLERS, DATASETS
from mmseg.structures import SegDataSample
from torch import Tensor
from torch.utils.data import ConcatDataset, Dataset, Sampler

from cfcontra_mm.datasets.transforms import MapLabels
from cfcontra_mm.domains import DOMAINS
from cfcontra_mm.errors import InputError


class Draw(NamedTuple):
    """Index of a drawn image, and how many were drawn before it in the whole run."""

    # The names hide methods of tuple, which nobody calls.
    index: int  # type: ignore[assignment]
    count: int  # type: ignore[assignment]


@contextmanager
def keep_random_state() -> Iterator[None]:
    """Restore Python's, NumPy's and torch's CPU generators when the block ends."""
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])


@contextmanager
def seeded(*key: int) -> Iterator[None]:
    """Seed Python's, NumPy's and torch's generators for a block, then restore them.

    The GPU's generator is seeded too but not restored, since all that draws from it in
    training does so within such a block.

    Args:
        key: Non-negative integers; different keys give independent numbers.
    """
    python_seed, numpy_seed, torch_seed = map(
        int, np.random.SeedSequence(key).generate_state(3)
    )
    with keep_random_state():
        random.seed(python_seed)
        np.random.seed(numpy_seed)
        torch.default_generator.manual_seed(torch_seed)
        if torch.cuda.is_initialized():
            torch.cuda.manual_seed(torch_seed)
        yield


def seeded_as(sample: SegDataSample, stream: int = 0) -> AbstractContextManager[None]:
    """Seed the generators from the draw of an image for a block, then restore them.

    What is drawn for an image (its mask, its part of a mix, its colours) is drawn in
    such a block, so that it depends neither on the rank nor on the rest of the batch.

    Args:
        sample: The sample of the image, as ``DomainDataset`` returns it for a ``Draw``.
            For any other sample the generators stay as they are.
        stream: Blocks of different streams draw independent numbers for one image.
    """
    draw = sample.metainfo.get('draw')
    # The key of the image's transforms is (seed, count).
    return nullcontext() if draw is None else seeded(*draw, 1, stream)


def draw_for_images(
    samples: Sequence[SegDataSample], draw: Callable[[], Tensor], stream: int = 0
) -> Tensor:
    """Draw a tensor for each image, each under the seed of its image, and stack them.

    Args:
        samples: The samples of the N images.
        draw: Function that draws the tensor of one image.
        stream: See :func:`seeded_as`.

    Returns:
        The stacked tensors, (N, ...).
    """
    drawn = []
    for sample in samples:
        with seeded_as(sample, stream):
            drawn.append(draw())
    return torch.stack(drawn)


@DATASETS.register_module()
class DomainDataset(ConcatDataset):
    """A labelled source and an unlabelled target, each sample tagged with its domain.

    Indexed with a ``Draw``, the random numbers of the transforms depend on (seed,
    count) alone, neither on the number of workers nor on earlier draws. The metainfo of
    the sample then holds its ``draw``, (seed, count), and the training ``step`` that it
    belongs to, from which the step seeds its own random numbers. Indexed with an
    integer, the transforms draw from the generators as they are.

    Args:
        source: A config or data set, or a list of them to concatenate.
        target: The same; its samples must carry no labels.
        seed: Seed of the transforms; ``DomainSampler`` sets that of the run.

    Attributes:
        domain_ranges: The indices of each domain.
        part_ranges: The indices of each data set of each domain.
        draws_per_step: Number of images that a training step draws on all ranks
            together; ``DomainSampler`` sets it.

    Raises:
        InputError: No data set is given, their classes differ, or the target has
            labels or a transform that needs them.
    """

    datasets: list[BaseDataset]

    def __init__(
        self,
        source: dict | BaseDataset | list | None = None,
        target: dict | BaseDataset | list | None = None,
        seed: int = 0,
    ) -> None:
        domains = dict(source=_build(source), target=_build(target))
        super().__init__(_require_one_class_list(domains))
        for dataset in domains['target']:
            refuse_labels(dataset)
        ends = self.cumulative_sizes
        parts = map(range, [0, *ends], ends)
        self.part_ranges = {
            name: list(itertools.islice(parts, len(datasets)))
            for name, datasets in domains.items()
            if datasets
        }
        self.domain_ranges = {
            name: range(parts[0].start, parts[-1].stop)
            for name, parts in self.part_ranges.items()
        }
        self.seed = seed
        self.draws_per_step = 1

    @property
    def metainfo(self) -> dict:
        """Classes and palette, the same in all data sets."""
        return self.datasets[0].metainfo

    def domain_of(self, index: int) -> str:
        """Return the domain that an index belongs to."""
        for name, indices in self.domain_ranges.items():
            if index in indices:
                return name
        raise IndexError(f'{index} is not in 0-{len(self) - 1}')

    def __getitem__(self, key: Draw | int) -> dict:
        if not isinstance(key, Draw):
            return self._load(key)
        with seeded(self.seed, key.count):
            sample = self._load(key.index)
        step = key.count // self.draws_per_step
        meta = dict(draw=(self.seed, key.count), step=step)
        sample['data_samples'].set_metainfo(meta)
        return sample

    def _load(self, index: int) -> dict:
        domain = self.domain_of(index)
        try:
            sample = super().__getitem__(index)
        except KeyError as error:
            if domain == 'target' and error.args[0] in ('gt_seg_map', 'seg_map_path'):
                raise InputError(
                    'target.pipeline: a transform reads labels, but the target has '
                    'none in training; remove it'
                ) from error
            raise
        data_sample = sample['data_samples']
        if domain == 'target' and 'gt_sem_seg' in data_sample:
            raise InputError(
                'target.pipeline: samples carry labels (gt_sem_seg), which training '
                'must not see; remove the transform that loads them'
            )
        data_sample.set_metainfo(dict(domain=domain))
        return sample


def _build(datasets: dict | BaseDataset | list | None) -> list[BaseDataset]:
    if datasets is None:
        return []
    if not isinstance(datasets, (list, tuple)):
        datasets = [datasets]
    return [DATASETS.build(d) if isinstance(d, dict) else d for d in datasets]


def _require_one_class_list(
    domains: dict[str, list[BaseDataset]],
) -> list[BaseDataset]:
    """Return all data sets in order, after checking that they share their classes."""
    named = [(name, d) for name, datasets in domains.items() for d in datasets]
    if not named:
        raise InputError('DomainDataset: give a source or a target')
    first_name, first = named[0]
    classes = tuple(first.metainfo['classes'])
    for name, dataset in named[1:]:
        others = tuple(dataset.metainfo['classes'])
        if others != classes:
            raise InputError(
                f'{name} ({type(dataset).__name__}): its {len(others)} classes differ '
                f'from the {len(classes)} of {first_name} ({type(first).__name__}) in '
                'name or order; map both to one class list'
            )
    return [dataset for _, dataset in named]


def refuse_labels(dataset: BaseDataset) -> None:
    """Raise an ``InputError`` if a target data set could read labels."""
    if 'seg_map_path' in dataset.get_data_info(0):
        raise InputError(
            f'target ({type(dataset).__name__}): has labels, which training must not '
            'see; remove seg_map_path from data_prefix'
        )
    for transform in _transforms(dataset):
        if _needs_labels(transform):
            raise InputError(
                f'target.pipeline: {type(transform).__name__} needs labels, but the '
                'target has none in training; remove it (or set cat_max_ratio=1 of '
                'RandomCrop)'
            )


def _transforms(node: object) -> Iterator[BaseTransform]:
    """Yield every transform in a data set, in a wrapper of one or in a transform."""
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
    """Fill every batch with a fixed number of images of each domain.

    Each domain is drawn in random permutations, one per epoch of this domain, which
    depend on (seed, domain, epoch) alone. If ``per_domain`` gives a number for each
    data set of a domain, each of them is drawn in its own permutations. In each
    iteration, n ranks with k images of a domain draw the same images as one rank with
    n * k, with the same counts.

    Args:
        dataset: The data set; the sampler sets its ``seed`` and ``draws_per_step``.
        per_domain: Number of images of each domain in a batch of one rank; the loader's
            batch size is their sum. A list gives the number for each data set of the
            domain: ``source=[1, 3]`` draws the second one three times as often.
        seed: Seed of the permutations and of the transforms; if ``None``, it is drawn
            at random and shared by the ranks.
        num_batches: Number of batches of one rank in a pass, for validation; endless if
            ``None``, for training.

    Raises:
        InputError: ``per_domain`` is empty, names a domain that the data set lacks,
            holds a number below 1, or a list whose length is not the domain's number of
            data sets.
    """

    def __init__(
        self,
        dataset: DomainDataset,
        per_domain: dict[str, int | list[int]],
        seed: int | None = None,
        num_batches: int | None = None,
    ) -> None:
        if not per_domain:
            raise InputError('per_domain: name at least one domain')
        for name in per_domain:
            if name not in dataset.domain_ranges:
                raise InputError(f'per_domain: the data set has no domain {name!r}')
        # Source first, whatever the order in the config.
        streams = {
            name: _streams(name, per_domain[name], dataset)
            for name in DOMAINS
            if name in per_domain
        }
        self.streams = [stream for parts in streams.values() for stream in parts]
        self.per_domain = {k: sum(s.number for s in v) for k, v in streams.items()}
        self.rank, self.world_size = get_dist_info()
        self.seed = sync_random_seed() if seed is None else seed
        self.dataset = dataset
        self.batch_size = sum(self.per_domain.values())
        dataset.seed = self.seed
        dataset.draws_per_step = self.batch_size * self.world_size
        self.num_batches = num_batches
        self.start = 0

    def __iter__(self) -> Iterator[Draw]:
        """Yield the draws of this rank, starting where :meth:`skip` has set it."""
        epoch_order = lru_cache(maxsize=len(self.streams))(self._epoch_order)
        iterations = itertools.count(self.start // self.batch_size)
        for iteration in itertools.islice(iterations, self.num_batches):
            batch = self._batch(iteration, epoch_order)
            skipped = max(0, self.start - iteration * self.batch_size)
            yield from itertools.islice(batch, skipped, None)

    def _batch(self, iteration: int, epoch_order: Callable) -> Iterator[Draw]:
        # Within an iteration, counts run over streams, then ranks, then images.
        count = iteration * self.batch_size * self.world_size
        for stream in self.streams:
            everywhere = stream.number * self.world_size
            first = self.rank * stream.number
            for place in range(first, first + stream.number):
                position = iteration * everywhere + place
                epoch, step = divmod(position, len(stream.indices))
                index = stream.indices[epoch_order(stream, epoch)[step]]
                yield Draw(int(index), count + place)
            count += everywhere

    def _epoch_order(self, stream: _Stream, epoch: int) -> np.ndarray:
        key = (self.seed, *stream.key, epoch)
        return np.random.default_rng(key).permutation(len(stream.indices))

    def skip(self, num_samples: int) -> None:
        """Skip the first ``num_samples`` draws of this rank, to resume a run."""
        self.start = num_samples

    def set_epoch(self, epoch: int) -> None:
        """Do nothing: the sampler counts the epochs of each domain itself."""

    def __len__(self) -> int:
        """Return the draws of this rank in a pass; if endless, the data set's size."""
        if self.num_batches is None:
            return len(self.dataset)
        return self.num_batches * self.batch_size


class _Stream(NamedTuple):
    """A domain, or a data set of it, that is drawn in its own permutations."""

    key: tuple[int, ...]
    indices: range
    number: int


def _streams(
    domain: str, number: int | Sequence[int], dataset: DomainDataset
) -> list[_Stream]:
    """Return the streams of a domain: one, or one for each of its data sets."""
    key, parts = DOMAINS.index(domain), dataset.part_ranges[domain]
    _check_number(f'per_domain.{domain}', number, len(parts))
    if isinstance(number, int):
        return [_Stream((key,), dataset.domain_ranges[domain], number)]
    # These keys differ in length from the key of a domain that is drawn as a whole.
    numbered = zip(number, parts, strict=True)
    return [_Stream((key, i), part, n) for i, (n, part) in enumerate(numbered)]


def _check_number(field: str, number: object, parts: int) -> None:
    numbers = number if isinstance(number, (list, tuple)) else [number]
    if not all(isinstance(n, int) for n in numbers):
        raise InputError(
            f'{field}: must be an integer or a list of integers, not {number!r}'
        )
    if min(numbers, default=0) < 1:
        raise InputError(f'{field}: must be at least 1, not {number}')
    if numbers is number and len(numbers) != parts:
        raise InputError(
            f'{field}: {len(numbers)} numbers for {parts} data sets; give one number '
            'for each data set, or a single one for all'
        )
