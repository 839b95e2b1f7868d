"""Source and target as one data set, drawn from in a fixed proportion."""

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
from mmengine.dataset import Compose
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
    """One drawing of an image: which one, and its number in the whole run."""

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
    """Seed Python's, NumPy's and torch's generators from a key, then restore them.

    A GPU's generator is seeded too but not restored: whatever draws from it in
    training does so within such a block.
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
    """Seed the generators from the draw of an image, then restore them.

    What belongs to an image (its mask, its share of a mix, its colours) is drawn
    within, and does not depend on the rank that holds it, nor on its neighbours.

    Args:
        sample: The image's, as ``DomainDataset`` gives it for a ``Draw``. For any
            other sample the generators stay as they are.
        stream: Two blocks for one image draw the same numbers unless this differs.
    """
    draw = sample.metainfo.get('draw')
    # The key of the image's transforms is (seed, count).
    return nullcontext() if draw is None else seeded(*draw, 1, stream)


def draw_for_images(
    samples: Sequence[SegDataSample], draw: Callable[[], Tensor], stream: int = 0
) -> Tensor:
    """Stack what a function draws for each image, each under its own draw.

    Args:
        samples: The images' samples.
        draw: Draws the tensor of one image.
        stream: See :func:`seeded_as`.
    """
    drawn = []
    for sample in samples:
        with seeded_as(sample, stream):
            drawn.append(draw())
    return torch.stack(drawn)


@DATASETS.register_module()
class DomainDataset(ConcatDataset):
    """A labelled source and an unlabelled target, each sample tagged with its domain.

    Indexed with a `Draw`, the transforms' random numbers follow from (seed, count)
    alone: not from the number of workers nor from what was drawn before. Its sample's
    metainfo names the `draw`, (seed, count), and the `step` of the training that it
    belongs to, from which the step draws its own random numbers. Indexed with an
    integer, they come from the generators as they stand.

    Args:
        source: Config or data set, or several of them to be concatenated.
        target: The same; its samples must carry no labels.
        seed: `DomainSampler` sets the run's.

    Attributes:
        domain_ranges: The indices of each domain that was given.
        part_ranges: The indices of each data set of each such domain.
        draws_per_step: Draws that a step makes on all ranks together;
            `DomainSampler` sets it.

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
    """Fills every batch with a fixed number of images of each domain.

    Each domain is drawn in permutations of its own, a new one whenever it is used up,
    that depend on (seed, domain, epoch) alone; so is each data set of a domain that is
    given one number for each. n ranks with k images of a domain draw in each iteration
    what one rank with n * k would, and give it the same counts.

    Args:
        dataset: Its `seed` and `draws_per_step` are set by the sampler.
        per_domain: Images of each domain in a batch of one rank; the loader's batch
            size is their sum. A list gives the number of each of the domain's data
            sets: `source=[1, 3]` draws the second one three times as often.
        seed: Of the permutations and of the transforms; drawn and shared by the ranks
            if None.
        num_batches: Batches of one rank in a pass, for validation; without end if
            None, for training.

    Raises:
        InputError: `per_domain` is empty, names a domain that the data set has not,
            holds a number below 1, or a list of another length than the domain has
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
        """Yields the draws of this rank, from where `skip` has put it."""
        epoch_order = lru_cache(maxsize=len(self.streams))(self._epoch_order)
        iterations = itertools.count(self.start // self.batch_size)
        for iteration in itertools.islice(iterations, self.num_batches):
            batch = self._batch(iteration, epoch_order)
            skipped = max(0, self.start - iteration * self.batch_size)
            yield from itertools.islice(batch, skipped, None)

    def _batch(self, iteration: int, epoch_order: Callable) -> Iterator[Draw]:
        # Counts of an iteration run over the streams, then over the ranks.
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
        """Starts after the first `num_samples` draws of this rank, to resume a run."""
        self.start = num_samples

    def set_epoch(self, epoch: int) -> None:
        """Does nothing: the draws have no end."""

    def __len__(self) -> int:
        """Draws of this rank in a pass; images in the data set if it has no end."""
        if self.num_batches is None:
            return len(self.dataset)
        return self.num_batches * self.batch_size


class _Stream(NamedTuple):
    """What is drawn in permutations of its own: a domain, or a data set of one."""

    key: tuple[int, ...]
    indices: range
    number: int


def _streams(
    domain: str, number: int | Sequence[int], dataset: DomainDataset
) -> list[_Stream]:
    """The streams of a domain: one, or one for each of its data sets."""
    key, parts = DOMAINS.index(domain), dataset.part_ranges[domain]
    _check_number(f'per_domain.{domain}', number, len(parts))
    if isinstance(number, int):
        return [_Stream((key,), dataset.domain_ranges[domain], number)]
    # Keys of another length than that of a domain that is drawn as one.
    numbered = zip(number, parts, strict=True)
    return [_Stream((key, i), part, n) for i, (n, part) in enumerate(numbered)]


def _check_number(field: str, number: object, parts: int) -> None:
    numbers = number if isinstance(number, (list, tuple)) else [number]
    if not all(isinstance(n, int) for n in numbers):
        raise InputError(
            f'{field}: must be a whole number or a list of them, not {number!r}'
        )
    if min(numbers, default=0) < 1:
        raise InputError(f'{field}: must be at least 1, not {number}')
    if numbers is number and len(numbers) != parts:
        raise InputError(
            f'{field}: {len(numbers)} numbers for {parts} data sets; give one for '
            'each, or one for all'
        )
