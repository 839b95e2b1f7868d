"""The training step over the passes of a method."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import cast

import torch
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from cfcontra_mm.datasets.domain import seeded
from cfcontra_mm.domains import DOMAINS
from cfcontra_mm.errors import InputError
from cfcontra_mm.methods.passes import DomainInputs, Method, domain_inputs

# Streams of random numbers beside those of an image: (seed, count) seeds its
# transforms, (seed, count, 1) what a step draws for it.
OF_STEP, OF_PASS = 2, 3


def domain_step(
    model: nn.Module, data: dict, optim_wrapper: OptimWrapper
) -> dict[str, Tensor]:
    """Run every pass forward and backward, then take one optimiser step.

    The gradients are those of the summed loss of all passes, while the activations of
    only one pass are in memory at a time. Ranks synchronise in the last pass, which
    averages the gradients of the earlier passes too.

    All random numbers follow from the batch's draws: those in ``passes`` from the step,
    alike on all ranks; those in a forward pass from the step, the rank and the pass.
    They do not depend on what ran before, so a resumed training equals an uninterrupted
    one. If the samples of a batch name no draw, the generators are left as they are.

    Args:
        model: A :class:`~cfcontra_mm.methods.UDASegmentor`, bare or wrapped.
        data: A batch as the loader gives it, of one domain or both.
        optim_wrapper: Optimiser of the parameters.

    Returns:
        The values to log: each loss, and their sum ``loss``.

    Raises:
        InputError: The batch or the optimisers do not fit the method.
    """
    method = cast(Method, unwrapped(model))
    _check_optimizers(method, optim_wrapper)
    with optim_wrapper.optim_context(model):
        passes = make_passes(method, data)
    first = data['data_samples'][0].metainfo
    log: dict[str, Tensor] = {}
    total = torch.zeros(())
    for number, (name, inputs) in enumerate(passes.items()):
        last = number == len(passes) - 1
        with ExitStack() as contexts:
            if not last and isinstance(model, DistributedDataParallel):
                contexts.enter_context(model.no_sync())
            contexts.enter_context(optim_wrapper.optim_context(model))
            contexts.enter_context(seeded_as_pass(first, number))
            losses = model(inputs, mode=name)
        loss, values = method.parse_losses(losses)
        _backward(optim_wrapper, loss, count=last)
        total = total + values.pop('loss')
        log |= values
    if optim_wrapper.should_update():
        optim_wrapper.step()
        optim_wrapper.zero_grad()
    return log | {'loss': total}


def unwrapped(model: nn.Module) -> nn.Module:
    """Return a model without its distributed wrapper, if it has one."""
    return cast(nn.Module, model.module) if is_model_wrapper(model) else model


@torch.no_grad()
def make_passes(method: Method, data: dict) -> dict[str, DomainInputs]:
    """Make what each pass of a step runs on, by its name, under the step's seed.

    Args:
        method: The method, without a wrapper.
        data: A batch as the loader gives it.

    Raises:
        InputError: There is no pass, or one that cannot run.
    """
    with _seeded_as_step(data['data_samples'][0].metainfo):
        batch = method.data_preprocessor(data, training=True)
        passes = method.passes(*(domain_inputs(batch, domain) for domain in DOMAINS))
    _check_passes(method, passes)
    return passes


def _check_passes(method: Method, passes: dict[str, DomainInputs]) -> None:
    kind = f'{type(method).__name__}.passes'
    if not passes:
        raise InputError(f'{kind}: returns no pass; a step needs at least one')
    for name, inputs in passes.items():
        if not isinstance(inputs, DomainInputs):
            given = type(inputs).__name__
            raise InputError(f'{kind}: {name!r} must be DomainInputs, not {given}')
        if not hasattr(method, f'{name}_losses'):
            raise InputError(f'{kind}: {name!r} has no losses; add {name}_losses(view)')
        if 'loss' in name:
            raise InputError(
                f'{kind}: the name {name!r} makes every logged value of the pass a '
                'loss; choose a name without "loss"'
            )


def _seeded_as_step(meta: dict) -> AbstractContextManager[None]:
    if 'draw' not in meta:
        return nullcontext()
    seed, _ = meta['draw']
    return seeded(seed, meta['step'], OF_STEP)


def seeded_as_pass(meta: dict, number: int) -> AbstractContextManager[None]:
    """Seed the generators for a forward pass, then restore them.

    Args:
        meta: Metainfo of the first sample of this rank's batch.
        number: Number of the passes before it.
    """
    return seeded(*meta['draw'], OF_PASS + number) if 'draw' in meta else nullcontext()


def _backward(optim_wrapper: OptimWrapper, loss: Tensor, count: bool) -> None:
    """Back-propagate one pass; only the last counts as an accumulated iteration."""
    before = optim_wrapper._inner_count
    optim_wrapper.backward(optim_wrapper.scale_loss(loss))
    if not count:
        optim_wrapper._inner_count = before


def _check_optimizers(method: Method, optim_wrapper: OptimWrapper) -> None:
    """Refuse to train discriminators with the settings of the network's optimiser."""
    if hasattr(method, 'discriminators') and not isinstance(
        optim_wrapper, OptimWrapperDict
    ):
        raise InputError(
            'optim_wrapper: the discriminators need an optimiser of their own; set '
            "constructor='JointOptimWrapperConstructor' and discriminator=dict("
            'optimizer=...)'
        )
