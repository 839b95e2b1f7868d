"""Several optimisers that step together after one backward pass."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mmengine.optim import (
    AmpOptimWrapper,
    OptimWrapper,
    OptimWrapperDict,
    build_optim_wrapper,
)
from mmseg.registry import OPTIM_WRAPPER_CONSTRUCTORS, OPTIM_WRAPPERS
from torch import Tensor, nn

from cfcontra_mm.errors import InputError

from .step import unwrapped


@OPTIM_WRAPPERS.register_module()
class JointOptimWrapper(OptimWrapperDict):
    """Optimisers of disjoint parameters that share the backward pass and the step.

    The first one counts the iterations, scales the loss and opens the context of a
    forward pass; each clips the gradients of its own parameters. In float16 all share
    the first one's loss scaler, which skips the step of an optimiser whose gradients
    are not finite.

    Args:
        **members: The optimiser wrappers by name, all of one type.
    """

    def __init__(self, **members: OptimWrapper) -> None:
        super().__init__(**members)
        self.lead = next(iter(members.values()))
        for name, member in members.items():
            if isinstance(member, AmpOptimWrapper):
                member.loss_scaler = self.lead.loss_scaler
            if member.clip_grad_kwargs:
                member.grad_name = f'{name}.{member.grad_name}'

    @property
    def _inner_count(self) -> int:
        return self.lead._inner_count

    @_inner_count.setter
    def _inner_count(self, count: int) -> None:
        self.lead._inner_count = count

    def initialize_count_status(
        self, model: nn.Module, init_counts: int, max_counts: int
    ) -> None:
        """Start counting the iterations."""
        self.lead.initialize_count_status(model, init_counts, max_counts)

    def should_update(self) -> bool:
        """Tell whether the optimisers step after this iteration."""
        return self.lead.should_update()

    def should_sync(self) -> bool:
        """Tell whether the ranks synchronise in this iteration."""
        return self.lead.should_sync()

    def scale_loss(self, loss: Tensor) -> Tensor:
        """Divide a loss by the number of iterations that are accumulated."""
        return self.lead.scale_loss(loss)

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Open the context of a forward pass."""
        with self.lead.optim_context(model):
            yield

    def backward(self, loss: Tensor, **kwargs: Any) -> None:
        """Compute the gradients of all parameters, and count the iteration."""
        self.lead.backward(loss, **kwargs)

    def step(self, **kwargs: Any) -> None:
        """Step every optimiser."""
        if not isinstance(self.lead, AmpOptimWrapper):
            for member in self.optim_wrappers.values():
                member.step(**kwargs)
            return
        scaler = self.lead.loss_scaler
        for member in self.optim_wrappers.values():
            if member.clip_grad_kwargs:
                scaler.unscale_(member.optimizer)
                member._clip_grad()
            scaler.step(member.optimizer, **kwargs)
        # Only once: the scale is that of the gradients of every optimiser.
        scaler.update(self.lead._scale_update_param)

    def update_params(self, loss: Tensor, **kwargs: Any) -> None:
        """Back-propagate; step and clear the gradients when it is due."""
        OptimWrapper.update_params(self, loss, **kwargs)


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class JointOptimWrapperConstructor:
    """Builds the two optimisers of an adversarial method from one ``optim_wrapper``.

    Its key ``discriminator`` configures the wrapper of the method's ``discriminators``,
    all else that of the other parameters. The former inherits the latter's settings
    (type, accumulation) but not its optimiser, clipping and settings by parameter.

    Args:
        optim_wrapper_cfg: Config of a wrapper, with another under ``discriminator``.
        paramwise_cfg: Settings by parameter, for those outside of discriminators.

    Raises:
        InputError: There is no config for the discriminators.
    """

    def __init__(
        self, optim_wrapper_cfg: dict, paramwise_cfg: dict | None = None
    ) -> None:
        self.segmentor = dict(optim_wrapper_cfg, paramwise_cfg=paramwise_cfg)
        if 'optimizer' not in self.segmentor.get('discriminator', {}):
            raise InputError(
                'optim_wrapper.discriminator.optimizer: not set; give the '
                "discriminators' optimiser"
            )
        own = self.segmentor.pop('discriminator')
        not_shared = ('optimizer', 'clip_grad', 'paramwise_cfg')
        shared = {k: v for k, v in self.segmentor.items() if k not in not_shared}
        self.discriminator = shared | own

    def __call__(self, model: nn.Module) -> JointOptimWrapper:
        """Build the optimisers of a method, bare or wrapped.

        Raises:
            InputError: The method has no discriminators.
        """
        method = unwrapped(model)
        if not hasattr(method, 'discriminators'):
            raise InputError(
                f'optim_wrapper.discriminator: {type(method).__name__} has no '
                'discriminators; remove optim_wrapper.constructor and .discriminator'
            )
        return JointOptimWrapper(
            segmentor=build_optim_wrapper(_segmentor(method), self.segmentor),
            discriminator=build_optim_wrapper(
                method.discriminators, self.discriminator
            ),
        )


def _segmentor(method: nn.Module) -> nn.Module:
    """Return a method's parameters without its discriminators', by the same names."""
    rest = nn.Module()
    for name, child in method.named_children():
        if name != 'discriminators':
            rest.add_module(name, child)
    for name, parameter in method.named_parameters(recurse=False):
        rest.register_parameter(name, parameter)
    return rest
