"""Which losses move a network that is trained already, over several batches."""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import fmean
from typing import cast

from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.device import get_device
from mmengine.logging import MessageHub, MMLogger
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from mmengine.runner import set_random_seed
from mmengine.utils import track_iter_progress
from mmseg.registry import MODELS
from prettytable import PrettyTable
from torch import Tensor

from cfcontra_mm.datasets import DomainSampler
from cfcontra_mm.engine.checkpoints import check_weights
from cfcontra_mm.engine.loss_shares import (
    LossShare,
    basis_of,
    measure_loss_shares,
)
from cfcontra_mm.errors import InputError
from cfcontra_mm.methods import UDASegmentor
from cfcontra_mm.models.weights import (
    RUNNING,
    read_checkpoint,
    trust_files,
    weights_of,
)

from .browse import training_set

COLUMNS = (
    ('norm', 'norm'),
    ('share', 'share (%)'),
    ('ratio', 'ratio to supervised'),
    ('cosine', 'cosine'),
    ('gradient_left', 'left after clipping (%)'),
)
"""Fields of :class:`~cfcontra_mm.engine.LossShare` and their headings."""

Shares = dict[str, LossShare]


def collect_loss_shares(
    cfg: Config,
    checkpoint: str,
    batches: int,
    seed: int | None = None,
    trust: bool = False,
) -> tuple[str, list[Shares]]:
    """Measure the shares of the losses on the batches that training would see next.

    The method is as a resumed training would have it, with its class centers and its
    teacher. If the checkpoint holds ``running_statistics``, those of the training, they
    replace the ones that it was tested with.

    Args:
        cfg: Config that the checkpoint was trained with.
        checkpoint: Checkpoint of ``tools/train.py``.
        batches: Number of batches.
        seed: Seed of the draws; the config's own if ``None``.
        trust: Whether to unpickle arbitrary Python objects of the file.

    Returns:
        The part of the network that they are shares of, see
        :func:`~cfcontra_mm.engine.loss_shares.basis_of`, and those of each batch.

    Raises:
        InputError: The config is not of a method, or the checkpoint does not match it.
    """
    state = read_checkpoint(checkpoint, trust=trust)
    trust_files(trust)
    if seed is None:
        seed = cfg.get('randomness', {}).get('seed') or 0
    iteration = state.get('meta', {}).get('iter', 0)
    dataset = training_set(cfg)
    sampler = DomainSampler(dataset, cfg.train_dataloader.sampler.per_domain, seed)
    method = _resume(cfg, state, checkpoint, seed)
    optim_wrapper = build_optim_wrapper(method, cfg.optim_wrapper)
    data = itertools.islice(_batches(sampler, iteration), batches)
    drawn = track_iter_progress((data, batches))
    found = [measure_loss_shares(method, batch, optim_wrapper) for batch in drawn]
    print()
    return basis_of(method), found


def _batches(sampler: DomainSampler, first: int) -> Iterator[dict]:
    """Yield the batches that a training on one device draws from an iteration on."""
    sampler.skip(first * sampler.batch_size)
    draws = iter(sampler)
    while True:
        batch = itertools.islice(draws, sampler.batch_size)
        yield pseudo_collate([sampler.dataset[draw] for draw in batch])


def _resume(cfg: Config, state: dict, name: str, seed: int) -> UDASegmentor:
    """Build a method in training mode with the weights and iteration of a checkpoint.

    Raises:
        InputError: The config is not of a method, or the checkpoint does not match it.
    """
    set_random_seed(seed)
    with DefaultScope.overwrite_default_scope('mmseg'):
        method = MODELS.build(cfg.model)
    if not isinstance(method, UDASegmentor):
        kind = type(method).__name__
        raise InputError(f'{cfg.filename}: {kind} is no method; use the config of one')
    weights = weights_of(state) | _running_statistics(state, name)
    check_weights(method, weights, name)
    if missing := method.state_dict().keys() - weights.keys():
        raise InputError(
            f'{name}: checkpoint does not match the model: {min(missing)} is missing; '
            'use the config that it was trained with'
        )
    # Some methods keep copies of their initial weights.
    with _without_log():
        method.init_weights()
    method.load_state_dict(weights, strict=False)
    # Some losses depend on the progress of the training.
    hub = MessageHub.get_current_instance()
    hub.update_info('iter', state.get('meta', {}).get('iter', 0))
    hub.update_info('max_iters', cfg.train_cfg.max_iters)
    return cast(UDASegmentor, method.to(get_device()).train())


@contextmanager
def _without_log() -> Iterator[None]:
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


def _running_statistics(state: dict, name: str) -> dict[str, Tensor]:
    statistics = state.get(RUNNING, {})
    if not isinstance(statistics, dict):
        raise InputError(
            f'{name}: damaged (running_statistics is no dict of tensors by name); '
            'choose another checkpoint'
        )
    return weights_of(dict(state_dict=statistics))


def table_of_shares(basis: str, batches: Sequence[Shares]) -> str:
    """Return a table of the terms, each with its mean and range over the batches.

    Args:
        basis: The part of the network that they are shares of.
        batches: The shares on each batch.
    """
    table = PrettyTable(['term', *(heading for _, heading in COLUMNS)], align='r')
    table.align['term'] = 'l'
    notes = [f'norms and shares are of the gradient on the {basis}']
    for term in batches[0]:
        of_term = [shares[term] for shares in batches]
        cells = [_cell([getattr(s, name) for s in of_term]) for name, _ in COLUMNS]
        table.add_row([term, *cells])
        if all(share.norm == 0 for share in of_term):
            notes.append(f'{term}: {_reason(of_term)}')
    return '\n'.join([table.get_string(), *notes])


def _cell(values: Sequence[float]) -> str:
    numbers = [value for value in values if not math.isnan(value)]
    if not numbers:
        return '-'
    mean, least, most = fmean(numbers), min(numbers), max(numbers)
    if f'{least:.3g}' == f'{most:.3g}':
        return f'{mean:.3g}'
    return f'{mean:.3g} [{least:.3g}, {most:.3g}]'


def _reason(of_term: Sequence[LossShare]) -> str:
    """Say why a term has no gradient."""
    trained = {share.trains for share in of_term} - {''}
    if not trained:
        return 'no gradient on any parameter; it trains nothing'
    return f'no gradient on it; trains {" and ".join(sorted(trained))} alone'
