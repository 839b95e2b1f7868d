"""The training step over the passes of a method."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack, nullcontext

import torch
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import Tensor, nn

from cfcontra_mm.datasets.domain import seeded
from cfcontra_mm.domains import DOMAINS
from cfcontra_mm.errors import InputError
from cfcontra_mm.methods.passes import DomainInputs, Method, domain_inputs

# Beside the keys of an image: (seed, count) of its transforms, (seed, count, 1) of
# what a step draws for it.
OF_STEP, OF_PASS = 2, 3


def domain_step(
    model: nn.Module, data: dict, optim_wrapper: OptimWrapper
) -> dict[str, Tensor]:
    """One optimiser step from one forward and backward a pass.

    The gradients are those of the summed loss of all passes, while only one pass's
    activations live at a time. Ranks synchronise in the last pass; gradients that
    earlier passes left are part of what is then averaged.

    All that is drawn at random follows from the batch's draws: in ``passes`` from the
    step, alike on all ranks, in each forward pass from the step, the rank and the
    pass. So it does not depend on what ran before, and a resumed training goes on as
    if it had never stopped. A batch whose samples name no draw is left to the
    generators as they stand.

    Args:
        model: A :class:`~cfcontra_mm.methods.UDASegmentor`, bare or wrapped.
        data: A batch as the loader gives it, of one domain or both.
        optim_wrapper: Steps the parameters.

    Returns:
        The values to log: each loss, and ``loss``, their sum.

    Raises:
        InputError: The batch or the optimisers are not what the method needs.
    """
    method = model.module if is_model_wrapper(model) else model
    _check_optimizers(method, optim_wrapper)
    with optim_wrapper.optim_context(model):
        passes = make_passes(method, data)
    first = data['data_samples'][0].metainfo
    log, total = {}, 0.0
    for number, (name, inputs) in enumerate(passes.items()):
        last = number == len(passes) - 1
        with ExitStack() as contexts:
            if not last and is_model_wrapper(model):
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


@torch.no_grad()
def make_passes(method: Method, data: dict) -> dict[str, DomainInputs]:
    """What the passes of a step run on, by their names, under the step's seed.

    Args:
        method: The method, bare.
        data: A batch as the loader gives it.

    Raises:
        InputError: There is no pass, or one that cannot be run.
    """
    with _seeded_as_step(data['data_samples'][0].metainfo):
        batch = method.data_preprocessor(data, training=True)
        passes = method.passes(*(domain_inputs(batch, domain) for domain in DOMAINS))
    _check_passes(method, passes)
    return passes


def _check_passes(method: Method, passes: dict[str, DomainInputs]) -> None:
    kind = f'{type(method).__name__}.passes'
    if not passes:
        raise InputError(f'{kind}: gives no pass; a step needs one')
    for name, inputs in passes.items():
        if not isinstance(inputs, DomainInputs):
            given = type(inputs).__name__
            raise InputError(f'{kind}: {name!r} must be DomainInputs, not {given}')
        if not hasattr(method, f'{name}_losses'):
            raise InputError(f'{kind}: gives {name!r}; add {name}_losses(view)')
        if 'loss' in name:
            raise InputError(
                f'{kind}: {name!r} would make a loss of each of its logged values; '
                'choose a name without "loss"'
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
        number: How many passes came before.
    """
    return seeded(*meta['draw'], OF_PASS + number) if 'draw' in meta else nullcontext()


def _backward(optim_wrapper: OptimWrapper, loss: Tensor, count: bool) -> None:
    """Back-propagate one pass; only the last counts as an accumulated iteration."""
    before = optim_wrapper._inner_count
    optim_wrapper.backward(optim_wrapper.scale_loss(loss))
    if not count:
        optim_wrapper._inner_count = before


def _check_optimizers(method: nn.Module, optim_wrapper: OptimWrapper) -> None:
    """One optimiser for all would let the network's settings train discriminators."""
    if hasattr(method, 'discriminators') and not isinstance(
        optim_wrapper, OptimWrapperDict
    ):
        raise InputError(
            'optim_wrapper: a method with discriminators needs their optimiser; set '
            "constructor='JointOptimWrapperConstructor' and discriminator=dict("
            'optimizer=...)'
        )
