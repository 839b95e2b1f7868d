"""The training step over domains."""

from __future__ import annotations

from contextlib import ExitStack

from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import Tensor, nn

from cfcontra_mm.errors import InputError


def domain_step(
    model: nn.Module, data: dict, optim_wrapper: OptimWrapper
) -> dict[str, Tensor]:
    """One optimiser step from one forward and backward a domain.

    The gradients are those of the summed loss of all domains, while only one domain's
    activations live at a time. Ranks synchronise in the last pass; gradients that
    earlier passes left are part of what is then averaged.

    Args:
        model: A :class:`~cfcontra_mm.methods.UDASegmentor`, bare or wrapped.
        data: A batch as the loader gives it, of both domains.
        optim_wrapper: Steps the parameters.

    Returns:
        The values to log: each loss, and ``loss``, their sum.
    """
    method = model.module if is_model_wrapper(model) else model
    batch = method.data_preprocessor(data, training=True)
    _check_domains(batch, method.domains)
    _check_optimizers(method, optim_wrapper)
    log, total = {}, 0.0
    for domain in method.domains:
        last = domain == method.domains[-1]
        with ExitStack() as contexts:
            if not last and is_model_wrapper(model):
                contexts.enter_context(model.no_sync())
            contexts.enter_context(optim_wrapper.optim_context(model))
            losses = model(batch, mode=domain)
        loss, values = method.parse_losses(losses)
        _backward(optim_wrapper, loss, count=last)
        total = total + values.pop('loss')
        log |= values
    if optim_wrapper.should_update():
        optim_wrapper.step()
        optim_wrapper.zero_grad()
    return log | {'loss': total}


def _backward(optim_wrapper: OptimWrapper, loss: Tensor, count: bool) -> None:
    """Back-propagate one pass; only the last counts as an accumulated iteration."""
    before = optim_wrapper._inner_count
    optim_wrapper.backward(optim_wrapper.scale_loss(loss))
    if not count:
        optim_wrapper._inner_count = before


def _check_domains(batch: dict, domains: tuple[str, ...]) -> None:
    for domain in domains:
        if domain not in batch:
            raise InputError(
                f'a training batch holds no {domain} sample: train_dataloader.sampler.'
                'per_domain must name both domains and add up to train_dataloader.'
                'batch_size'
            )


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
