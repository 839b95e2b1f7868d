"""The hook that stops a training whose losses or weights are not finite."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from mmengine.dist import all_gather_object, all_reduce
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from torch import Tensor

from cfcontra_mm.errors import InputError
from cfcontra_mm.files import whole_file

from .step import unwrapped

NAMED_IMAGES = 8
"""Most images that the message names."""


class NotFiniteError(InputError):
    """Losses or weights that are not finite, which are not worth saving."""


class _Losses(NamedTuple):
    """What an iteration logged, and the images it ran on."""

    iteration: int
    names: tuple[str, ...]
    values: Tensor
    images: list[str]


@HOOKS.register_module()
class FiniteLossHook(Hook):
    """Stops a training whose losses or weights are not finite.

    The losses stay on the device until they are checked: at regular intervals, before
    every validation and, with the weights, before every checkpoint. So no checkpoint
    holds weights that are not finite, and none of those before is deleted for it.

    Args:
        interval: Iterations between checks; each check waits for the device.
        debug_file: File to write the batch to whose losses are not finite, see
            :meth:`check`; it needs an interval of 1.
    """

    priority = 'VERY_HIGH'

    def __init__(self, interval: int, debug_file: str | None = None) -> None:
        self.interval = interval
        self.debug_file = debug_file
        self.unchecked: list[_Losses] = []
        self.last: _Losses | None = None

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None
    ) -> None:
        """Note the random state, if a batch is to be written."""
        if self.debug_file:
            self.random_state = _random_state()

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: dict[str, Tensor] | None = None,
    ) -> None:
        """Note the losses, and check them if it is time.

        Raises:
            InputError: See :meth:`check`.
        """
        if outputs:
            values = stacked(outputs)
            images = _images(data_batch or {})
            self.last = _Losses(runner.iter + 1, tuple(outputs), values, images)
            self.unchecked.append(self.last)
        due = self.every_n_train_iters(runner, self.interval)
        if due or self.is_last_train_iter(runner):
            self.check(runner, data_batch)

    def before_val(self, runner: Runner) -> None:
        """Check the losses and the weights before the network is validated.

        Raises:
            InputError: Some are not finite.
        """
        self.check_weights(runner)

    def check(self, runner: Runner, batch: dict | None = None) -> None:
        """Check the losses since the last check.

        With ``debug_file`` the batch of the first bad iteration is written there by
        ``torch.save``: ``iteration``, ``losses``, ``inputs``, ``labels``, ``metainfo``
        of the images, and the ``random_state`` (of Python, NumPy and torch) before it.

        Args:
            runner: The runner of the training.
            batch: The batch of the last iteration.

        Raises:
            InputError: Some are not finite; the message names the first such iteration,
                its losses and its images.
        """
        unchecked, self.unchecked = self.unchecked, []
        if not unchecked:
            return
        flags = torch.cat([losses.values for losses in unchecked]).isfinite().int()
        all_reduce(flags, 'min')  # so that all ranks stop
        finite = iter(flags.tolist())
        for losses in unchecked:
            bad = [name for name in losses.names if not next(finite)]
            if bad:
                written = self._write(batch, losses)
                self._stop(runner, losses, f'{", ".join(bad)} not finite{written}')

    def check_weights(self, runner: Runner) -> None:
        """Check the losses and the weights, before they are saved.

        Raises:
            InputError: Some are not finite.
        """
        self.check(runner)
        if self.last is None:
            return
        bad = not_finite(unwrapped(runner.model).state_dict())
        if bad:
            what = f'{len(bad)} weights not finite after its step, such as {bad[0]}'
            self._stop(runner, self.last, what)

    def _stop(self, runner: Runner, losses: _Losses, what: str) -> None:
        advice = 'lower optim_wrapper.optimizer.lr or set optim_wrapper.clip_grad'
        raise NotFiniteError(
            f'iteration {losses.iteration} ({_named(losses.images)}): {what}; '
            f'{advice}, and start again: {_way_to_restart(runner)}'
        )

    def _write(self, batch: dict | None, losses: _Losses) -> str:
        """Write a batch; return what there is to say about it."""
        if not self.debug_file or batch is None:
            return ''
        try:
            with whole_file(Path(self.debug_file)) as temporary:
                torch.save(self._content(batch, losses), temporary)
        except (OSError, RuntimeError) as error:
            return f'; its batch could not be written ({error})'
        return f'; its batch is in {self.debug_file}'

    def _content(self, batch: dict, losses: _Losses) -> dict:
        samples = batch['data_samples']
        return dict(
            iteration=losses.iteration,
            losses=dict(zip(losses.names, losses.values.tolist(), strict=True)),
            inputs=batch['inputs'],
            labels=[s.gt_sem_seg.data if 'gt_sem_seg' in s else None for s in samples],
            metainfo=[repr(sample.metainfo) for sample in samples],
            random_state=self.random_state,
        )


def check_before_saving(runner: Runner) -> None:
    """Check that what a checkpoint would hold is finite, if the hook is in use.

    Raises:
        InputError: It is not.
    """
    for hook in runner.hooks:
        if isinstance(hook, FiniteLossHook):
            hook.check_weights(runner)


def not_finite(state_dict: Mapping[str, Tensor]) -> list[str]:
    """Return the names of the weights that are not finite; wait for the device once.

    Args:
        state_dict: Weights by name, on one device.
    """
    if not state_dict:
        return []
    finite = torch.stack([weight.isfinite().all() for weight in state_dict.values()])
    flags = zip(state_dict, finite.tolist(), strict=True)
    return [name for name, is_finite in flags if not is_finite]


def stacked(values: Mapping[str, Tensor | float]) -> Tensor:
    """Stack scalars, (K,), float32, on the device of the last one."""
    scalars = [torch.as_tensor(value).detach().float() for value in values.values()]
    return torch.stack([s.reshape(()).to(scalars[-1].device) for s in scalars])


def _images(batch: dict) -> list[str]:
    samples = batch.get('data_samples', []) if isinstance(batch, dict) else []
    return [sample.metainfo.get('img_path', 'unnamed') for sample in samples]


def _named(images: list[str]) -> str:
    """Name the images of all ranks, of which all have found the same fault."""
    everywhere = [image for of_rank in all_gather_object(images) for image in of_rank]
    more = len(everywhere) - NAMED_IMAGES
    others = f' and {more} more' if more > 0 else ''
    return f'images {", ".join(everywhere[:NAMED_IMAGES])}{others}'


def _way_to_restart(runner: Runner) -> str:
    last = runner.message_hub.runtime_info.get('last_ckpt')
    if last is None:
        return f'{runner.work_dir} holds no checkpoint yet'
    return (
        f'--overwrite, or from the last finite weights with --cfg-options '
        f'load_from={last} and another --work-dir'
    )


def _random_state() -> dict:
    kind, keys, *rest = np.random.get_state()
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    return dict(
        python=random.getstate(),
        numpy=(kind, np.asarray(keys).tolist(), *rest),
        torch=torch.get_rng_state(),
        cuda=cuda,
    )
