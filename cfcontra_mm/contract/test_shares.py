"""Measuring what each loss does leaves no trace."""

import copy
import random

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from torch import Tensor

from cfcontra_mm.engine import domain_step, measure_loss_shares
from cfcontra_mm.methods import UDASegmentor

from .tiny import build_optimizer, leaves, random_batch, step_losses


@pytest.fixture
def optim_wrapper(model: UDASegmentor, cfg: Config) -> OptimWrapper:
    """Return the optimiser of a method that has made a step."""
    optim_wrapper = build_optimizer(model, cfg)
    domain_step(model, random_batch(0), optim_wrapper)
    return optim_wrapper


def everything(model: UDASegmentor, optim_wrapper: OptimWrapper) -> dict[str, object]:
    """Copy all that a training step may depend on, by name."""
    found = dict(
        weights=dict(model.named_parameters()),
        gradients={name: p.grad for name, p in model.named_parameters()},
        buffers=dict(model.named_buffers()),
        modes={name: module.training for name, module in model.named_modules()},
        optimizer=optim_wrapper.state_dict(),
        random=[random.getstate(), str(np.random.get_state()), torch.get_rng_state()],
    )
    values = dict(leaves(found))
    return {k: v.clone() if isinstance(v, Tensor) else v for k, v in values.items()}


def contents(data: dict) -> list[object]:
    """Return what a batch holds."""
    samples = data['data_samples']
    labels = [s.gt_sem_seg.data.tolist() for s in samples if 'gt_sem_seg' in s]
    images = [image.tolist() for image in data['inputs']]
    return [images, labels, [sample.metainfo for sample in samples]]


def same(first: object, second: object) -> bool:
    """Compare values or tensors."""
    if isinstance(first, Tensor) and isinstance(second, Tensor):
        return torch.equal(first, second)
    return first == second


@pytest.mark.parametrize('seeded', [True, False])
def test_nothing_is_changed(
    model: UDASegmentor, optim_wrapper: OptimWrapper, seeded: bool
) -> None:
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    before = everything(model, optim_wrapper)
    data = random_batch(1)
    if not seeded:  # then the generators are drawn from as they are
        for sample in data['data_samples']:
            del sample.draw
    given = copy.deepcopy(data)
    measure_loss_shares(model, data, optim_wrapper)
    after = everything(model, optim_wrapper)
    assert after.keys() == before.keys()
    assert [key for key in before if not same(before[key], after[key])] == []
    assert contents(data) == contents(given)


def test_every_term_of_a_step_has_a_share(
    model: UDASegmentor, optim_wrapper: OptimWrapper
) -> None:
    shares = measure_loss_shares(model, random_batch(1), optim_wrapper)
    names = [name for name in step_losses(model, random_batch(1)) if 'loss' in name]
    assert set(shares) == {name for name in names if not name.endswith('.loss_none')}
    assert sum(share.share for share in shares.values()) == pytest.approx(100)
