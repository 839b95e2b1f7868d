"""The normalisation statistics under which a network is validated, tested and saved."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.evaluator import Evaluator
from mmengine.hooks import EMAHook, Hook
from mmengine.logging import print_log
from mmengine.runner import Runner
from mmseg.registry import DATASETS, HOOKS
from torch.utils.data import ConcatDataset, DataLoader

from cfcontra_mm.datasets.domain import keep_random_state, refuse_labels
from cfcontra_mm.datasets.folders import nested_dicts
from cfcontra_mm.errors import InputError
from cfcontra_mm.evaluation.iou import PER_IMAGE
from cfcontra_mm.models.normalisation import (
    Statistics,
    batch_norms,
    estimate_statistics,
    running_statistics,
    set_statistics,
)
from cfcontra_mm.models.weights import RUNNING

from .checkpoints import PREDICTING, segmentor_of

TREATMENTS = ('target', 'running')
"""Statistics under which a network can be tested."""

NAME = 'default_hooks.statistics'
"""Key of the hook in a config."""

BATCH_SIZE = 4
"""Images that are normalised together; with more, mIoU changes by less than 0.1."""


@HOOKS.register_module()
class StatisticsHook(Hook):
    """Chooses the statistics of batch normalisation that a network is tested under.

    Running statistics are a by-product of training: after passes over two domains they
    are a mix of both, which no loss was applied to. With ``'target'`` they are replaced
    before every validation, test and checkpoint by an estimate on target training
    images, as the test pipeline gives them and without their labels (AdaBN, Li et al.,
    2017). The images are evenly spaced in the data set, the same for every method, and
    every rank runs all of them, so that the estimate does not depend on the ranks.

    Layers that training keeps in evaluation mode are estimated too. Training goes on
    from its running statistics. A checkpoint holds the statistics that
    its iteration is tested under in its ``state_dict``, and the running ones beside it.
    A network without batch normalisation is left as it is.

    Args:
        statistics: ``'target'``, or ``'running'`` for those of the training.
        num_images: Number of target training images of an estimate, at most.
        compare: Whether a test also measures under the other statistics; its metrics
            have the prefix ``running_statistics/`` or ``target_statistics/``.
    """

    priority = 'HIGHEST'  # other hooks save and log what this one sets

    def __init__(self, statistics: str, num_images: int, compare: bool = False) -> None:
        self.statistics = statistics
        self.num_images = num_images
        self.compare = compare
        self._images: ConcatDataset | None = None
        self._estimate: Statistics | None = None
        self._running: Statistics = {}

    def before_train(self, runner: Runner) -> None:
        """Find the images; say under which statistics it is validated and tested.

        Raises:
            InputError: They cannot be estimated.
        """
        self._find_images(runner)
        words = described(_layers(runner), self._number(self.statistics))
        print_log(f'validated and tested under {words}', 'current')

    def before_train_iter(self, runner: Runner, *args: Any, **kwargs: Any) -> None:
        """Forget the estimate: the weights will change."""
        self._estimate = None

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Save the statistics of the test in place of the running ones."""
        if self.statistics == 'target':
            try:
                found = self._of_target(runner)
            except InputError as error:  # an image is damaged: save what there is
                reason = str(error).strip().splitlines()[-1]
                print_log(f'{reason}; the running statistics are saved', 'current')
                return
            state = checkpoint['state_dict']
            # In a validation, which saves the best network, they are set aside.
            running = state | self._running
            checkpoint[RUNNING] = {name: running[name].cpu() for name in found}
            state.update({name: value.cpu() for name, value in found.items()})

    def before_val(self, runner: Runner) -> None:
        """Set the statistics of the test."""
        self._running = running_statistics(segmentor_of(runner))
        self._set(runner, self.statistics)

    def after_val(self, runner: Runner) -> None:
        """Restore the running statistics."""
        self._set(runner, 'running')
        self._running = {}

    def before_test(self, runner: Runner) -> None:
        """Set the statistics of the test.

        Raises:
            InputError: They cannot be estimated.
        """
        self._find_images(runner)
        self.before_val(runner)

    def after_test_epoch(
        self, runner: Runner, metrics: dict[str, float] | None = None
    ) -> None:
        """Say which the statistics were, and measure under the others too."""
        layers, images = _layers(runner), self._number(self.statistics)
        # As floats: MMEngine writes no integers into the file of metrics.
        found = {
            'statistics/layers': float(layers),
            'statistics/images': float(images),
        }
        print_log(f'tested under {described(layers, images)}', 'current')
        if self.compare and layers:
            (other,) = {*TREATMENTS} - {self.statistics}
            self._set(runner, other)
            found |= _measure(runner, f'{other}_statistics')
        if metrics is not None:
            metrics.update(found)

    def after_test(self, runner: Runner) -> None:
        """Restore the running statistics."""
        self.after_val(runner)

    def _set(self, runner: Runner, statistics: str) -> None:
        of_target = statistics == 'target'
        found = self._of_target(runner) if of_target else self._running
        set_statistics(segmentor_of(runner), found)

    def _of_target(self, runner: Runner) -> Statistics:
        """Return the estimate for the present weights, made at most once."""
        if self._estimate is None:
            with keep_random_state():
                batches = self._batches(runner)
                self._estimate = estimate_statistics(segmentor_of(runner), batches)
        return self._estimate

    def _batches(self, runner: Runner) -> Iterator[dict]:
        """Yield batches of images of equal size, as few as possible of one image."""
        if self._images is None:
            return
        total, wanted = len(self._images), self._number('target')
        chosen = [i * total // wanted for i in range(wanted)]
        parts = np.array_split(chosen, -(-wanted // BATCH_SIZE))
        loader = DataLoader(
            self._images,
            batch_sampler=[part.tolist() for part in parts],
            num_workers=runner.cfg.train_dataloader.num_workers,
            collate_fn=pseudo_collate,
        )
        for batch in loader:
            yield from _by_size(batch)

    def _find_images(self, runner: Runner) -> None:
        """Find the images of the estimates once, so that all have the same.

        Raises:
            InputError: There are none, or the weights of a test are not those trained.
        """
        needed = self.compare or self.statistics == 'target'
        if not needed or not batch_norms(segmentor_of(runner)):
            return
        if any(isinstance(hook, EMAHook) for hook in runner.hooks):
            raise InputError(
                f'{NAME}: cannot estimate for the averaged weights of EMAHook; remove '
                f'it, or set {NAME}.statistics=running'
            )
        self._images = target_images(runner.cfg)

    def _number(self, statistics: str) -> int:
        """Return the number of images of an estimate, 0 for running statistics."""
        if statistics == 'running' or self._images is None:
            return 0
        return min(self.num_images, len(self._images))


def _by_size(batch: dict) -> Iterator[dict]:
    """Split a batch into those of images of equal size."""
    groups: dict[tuple[int, ...], dict] = {}
    for image, sample in zip(batch['inputs'], batch['data_samples'], strict=True):
        group = groups.setdefault(image.shape, dict(inputs=[], data_samples=[]))
        group['inputs'].append(image)
        group['data_samples'].append(sample)
    yield from groups.values()


def described(layers: int, images: int) -> str:
    """Return in words which statistics a network was tested under.

    Args:
        layers: Number of its layers of batch normalisation.
        images: Number of target images that statistics were estimated on.
    """
    if not layers:
        return 'no statistics, as the network has no batch normalisation'
    if not images:
        return 'the running statistics of the training'
    return f'statistics of {images} target training images'


def target_images(cfg: Config) -> ConcatDataset:
    """Build the target training images of a config, as its test pipeline gives them.

    Raises:
        InputError: It has no target or no pipeline for a test, or they read labels.
    """
    loader = cfg.get('train_dataloader') or {}
    target = (loader.get('dataset') or {}).get('target')
    pipeline = cfg.get('test_pipeline')
    if not target or not pipeline:
        missing = 'test_pipeline' if target else 'train_dataloader.dataset.target'
        raise InputError(
            f'{NAME}: statistics of the target need {missing}; set it in the config, '
            f'or {NAME}.statistics=running'
        )
    parts = copy.deepcopy([*target] if isinstance(target, list | tuple) else [target])
    for node in nested_dicts(parts):
        if 'pipeline' in node:
            node['pipeline'] = pipeline
    datasets = [DATASETS.build(part) for part in parts]
    for dataset in datasets:
        refuse_labels(dataset)
    return ConcatDataset(datasets)


def _layers(runner: Runner) -> int:
    """Return the number of normalisation layers that a prediction depends on."""
    return sum(
        name.startswith(PREDICTING) for name in batch_norms(segmentor_of(runner))
    )


def _measure(runner: Runner, prefix: str) -> dict[str, float]:
    """Measure the network on the test images again, without writing predictions."""
    loop = runner.test_loop
    metrics = copy.deepcopy(runner.cfg.test_evaluator)
    for metric in metrics if isinstance(metrics, list) else [metrics]:
        counts = metric.get('counts')
        if folder := metric.pop('output_dir', None):
            counts = counts or str(Path(folder, PER_IMAGE))
        if counts:
            path = Path(counts)
            metric['counts'] = str(path.with_stem(f'{path.stem}_{prefix}'))
    evaluator = Evaluator(metrics)
    evaluator.dataset_meta = loop.dataloader.dataset.metainfo
    with torch.no_grad():
        for batch in loop.dataloader:
            evaluator.process(runner.model.test_step(batch), batch)
    measured = evaluator.evaluate(len(loop.dataloader.dataset))
    return {f'{prefix}/{name}': value for name, value in measured.items()}
