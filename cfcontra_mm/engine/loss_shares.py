"""Which losses of a method move its network: their shares of the gradient."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import NamedTuple, cast

import torch
from mmengine.dist import all_reduce
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from torch import Tensor, nn

from cfcontra_mm.datasets.domain import keep_random_state
from cfcontra_mm.errors import InputError
from cfcontra_mm.methods.base import NO_LOSS, UDASegmentor
from cfcontra_mm.methods.passes import DomainInputs
from cfcontra_mm.models.supervision import criteria_of

from .step import make_passes, seeded_as_pass, unwrapped

BESIDE = ('heads', 'discriminators')
"""Parts that a term may train alone by design, such as a discriminator by its loss."""


class LossShare(NamedTuple):
    """What a term of the loss does to the network in one step.

    A term is *supervised* if it is the loss of a head (``HEAD.LOSS_NAME``, as in the
    head's ``loss_decode``) in a pass whose images all have true labels.

    Attributes:
        norm: Norm of the term's gradient on the backbone.
        share: This norm in percent of the sum of the norms of all terms.
        ratio: This norm as a multiple of that of the main head's supervised loss; NaN
            if there is none.
        cosine: Cosine of the gradient to that of all supervised terms together; NaN if
            one of them is zero.
        gradient_left: Norm of the whole gradient of the network's optimiser after
            clipping, in percent of that before; the same for all terms.
        supervised: Whether the term is supervised.
        trains: The first part of the network that the term has a gradient on:
            ``'backbone'``, ``'heads'``, ``'discriminators'``, ``'other'`` or, for none,
            ``''``. Without a trainable backbone all norms are those on the whole
            network, without discriminators, which is called ``'network'``.
    """

    norm: float
    share: float
    ratio: float
    cosine: float
    gradient_left: float
    supervised: bool
    trains: str

    @property
    def is_beside(self) -> bool:
        """Whether the term is not meant for the backbone: it trains another part."""
        return self.trains in BESIDE


class _Term(NamedTuple):
    gradient: Tensor
    trains: str
    supervised: bool
    main: bool


def measure_loss_shares(
    model: nn.Module, data: dict, optim_wrapper: OptimWrapper | None = None
) -> dict[str, LossShare]:
    """Measure what each term of the loss does to the network in a step on a batch.

    It runs the forward passes of :func:`~cfcontra_mm.engine.domain_step`, with the same
    random numbers and in the mode that the model is in, and changes nothing: buffers,
    gradients and generators are as before. Gradients are means over the ranks, all of
    which must call it.

    Args:
        model: A :class:`~cfcontra_mm.methods.UDASegmentor`, bare or wrapped.
        data: A batch as the loader gives it.
        optim_wrapper: Optimiser of the parameters, for its precision and clipping;
            ``None`` for full precision without clipping.

    Returns:
        The terms by the names that a step logs, such as ``source.decode.loss_ce``.

    Raises:
        InputError: The batch does not fit the method, or the network uses gradient
            checkpointing, which cannot give the gradient of a single loss.
    """
    method = cast(UDASegmentor, unwrapped(model))
    gradients = _Gradients(method, optim_wrapper)
    found: dict[str, _Term] = {}
    with _unchanged(method):
        with gradients.context():
            passes = make_passes(method, copy.deepcopy(data))
        first = data['data_samples'][0].metainfo
        for number, (name, inputs) in enumerate(passes.items()):
            with seeded_as_pass(first, number):
                found |= _measure_pass(name, inputs, gradients)
    return _compare(found, gradients.left_after_clipping())


def basis_of(method: UDASegmentor) -> str:
    """Return the part on which shares are measured: ``'backbone'`` or ``'network'``."""
    return next(iter(_parts(method)))


def _parts(method: UDASegmentor) -> dict[str, list[nn.Parameter]]:
    """Return the trainable parameters by the first part that they belong to."""
    judges = getattr(method, 'discriminators', nn.Module())
    modules: dict[str, Sequence[nn.Module]] = dict(
        backbone=[method.backbone],
        heads=[*method.heads.values()],
        discriminators=[judges],
        other=[method],
    )
    if not any(p.requires_grad for p in method.backbone.parameters()):
        modules = dict(discriminators=[judges], network=[method])
    owners: dict[nn.Parameter, str] = {}
    for part, members in modules.items():
        for parameter in nn.ModuleList(members).parameters():
            owners.setdefault(parameter, part)
    trained = [(p, part) for p, part in owners.items() if p.requires_grad]
    # What the shares are measured on comes first.
    order = sorted(modules, key=lambda part: part not in ('backbone', 'network'))
    return {part: [p for p, owner in trained if owner == part] for part in order}


class _Gradients:
    """Computes the gradients of terms on all parts of a method, and sums them up."""

    def __init__(self, method: UDASegmentor, optim_wrapper: OptimWrapper | None):
        self.method = method
        self.optim_wrapper = optim_wrapper
        # Of several optimisers, the first is the network's.
        self.lead = getattr(optim_wrapper, 'lead', optim_wrapper)
        parts = _parts(method)
        self.parameters = [p for members in parts.values() for p in members]
        self.sizes = {k: sum(p.numel() for p in ps) for k, ps in parts.items()}
        self.sum = self._flat([None] * len(self.parameters))

    def context(self) -> AbstractContextManager[None]:
        """Return the context of a forward pass."""
        if self.optim_wrapper is None:
            return nullcontext()
        context: AbstractContextManager[None] = self.optim_wrapper.optim_context(
            self.method
        )
        return context

    def of(self, term: Tensor) -> tuple[Tensor, str]:
        """Return a term's gradient on the first part, on the CPU, and what it trains.

        The device holds that of one term at a time.
        """
        found: Sequence[Tensor | None] = [None] * len(self.parameters)
        scale = 1.0
        if isinstance(self.lead, AmpOptimWrapper):
            # In float16 a small gradient would be lost.
            scale = self.lead.loss_scaler.get_scale()
        if term.requires_grad:
            found = _grad(scale * term, self.parameters)
        gradient = self._flat(found) / scale
        all_reduce(gradient, 'mean')
        self.sum += gradient
        parts = gradient.split([*self.sizes.values()])
        trains = (name for name, g in zip(self.sizes, parts, strict=True) if g.any())
        return parts[0].cpu(), next(trains, '')

    def _flat(self, gradients: Sequence[Tensor | None]) -> Tensor:
        pairs = zip(self.parameters, gradients, strict=True)
        return torch.cat(
            [(torch.zeros_like(p) if g is None else g).flatten() for p, g in pairs]
        ).detach()

    def left_after_clipping(self) -> float:
        """Return the norm of the summed gradient after clipping, in percent."""
        if self.lead is None or not self.lead.clip_grad_kwargs:
            return 100.0
        groups = self.lead.optimizer.param_groups
        own = {p for group in groups for p in group['params']}
        parts = self.sum.split([p.numel() for p in self.parameters])
        pairs = zip(self.parameters, parts, strict=True)
        clipped = [part.clone() for parameter, part in pairs if parameter in own]
        before = _norm(torch.cat(clipped))
        for part in clipped:
            part.grad = part.clone()
        self.lead.clip_func(clipped, **self.lead.clip_grad_kwargs)
        after = _norm(torch.cat([cast(Tensor, part.grad) for part in clipped]))
        return 100 * after / before if before else 100.0


def _grad(term: Tensor, parameters: Sequence[Tensor]) -> Sequence[Tensor | None]:
    try:
        return torch.autograd.grad(
            term, parameters, retain_graph=True, allow_unused=True
        )
    except RuntimeError as error:
        if 'use_reentrant' not in str(error):
            raise
        raise InputError(
            'default_hooks.loss_shares: cannot measure a network with gradient '
            'checkpointing (with_cp=True); set it to None, or with_cp=False'
        ) from error


def _measure_pass(
    name: str, inputs: DomainInputs, gradients: _Gradients
) -> dict[str, _Term]:
    """Run a pass forward, and compute the gradient of each of its terms."""
    method = gradients.method
    with gradients.context():
        losses = method(inputs, mode=name)
    _, values = method.parse_losses(losses)
    supervised = _supervised(method, name, inputs)
    return {
        term: _Term(
            *gradients.of(value), term in supervised, supervised.get(term, False)
        )
        for term, value in values.items()
        if 'loss' in term and term not in ('loss', f'{name}.{NO_LOSS}')
    }


def _supervised(
    method: UDASegmentor, name: str, inputs: DomainInputs
) -> dict[str, bool]:
    """Return the names of a pass's supervised terms, and whether of the main head."""
    if not all('gt_sem_seg' in sample for sample in inputs.data_samples):
        return {}
    return {
        f'{name}.{head_name}.{criterion.loss_name}': head is method.decode_head
        for head_name, head in method.heads.items()
        for criterion in criteria_of(head)
    }


@contextmanager
def _unchanged(method: nn.Module) -> Iterator[None]:
    """Restore the buffers of a method and all generators when the block ends."""
    modules = list(method.modules())
    kept = [dict(module._buffers) for module in modules]
    values = [{k: b.clone() for k, b in m.items() if b is not None} for m in kept]
    gpus = [torch.cuda.current_device()] if torch.cuda.is_initialized() else []
    try:
        with keep_random_state(), torch.random.fork_rng(devices=gpus):
            yield
    finally:
        for module, buffers, before in zip(modules, kept, values, strict=True):
            module._buffers.clear()
            module._buffers.update(buffers)
            for name, value in before.items():
                cast(Tensor, buffers[name]).data.copy_(value)


def _compare(terms: Mapping[str, _Term], left: float) -> dict[str, LossShare]:
    norms = {name: _norm(term.gradient) for name, term in terms.items()}
    total = sum(norms.values())
    supervised = _sum([term.gradient for term in terms.values() if term.supervised])
    main = _norm(_sum([term.gradient for term in terms.values() if term.main]))
    return {
        name: LossShare(
            norm=norms[name],
            # In this order, as a single term must not exceed 100.
            share=100 * (norms[name] / total) if total else 0.0,
            ratio=norms[name] / main if main else math.nan,
            cosine=_cosine(term.gradient, supervised),
            gradient_left=left,
            supervised=term.supervised,
            trains=term.trains,
        )
        for name, term in terms.items()
    }


def _sum(gradients: Sequence[Tensor]) -> Tensor:
    return torch.stack([*gradients]).sum(dim=0) if gradients else torch.zeros(1)


def _norm(gradient: Tensor) -> float:
    return float(torch.linalg.vector_norm(gradient, dtype=torch.float64))


def _cosine(first: Tensor, second: Tensor) -> float:
    norms = _norm(first) * _norm(second)
    return float(first.double() @ second.double()) / norms if norms else math.nan
