"""Ending a training on a signal: after the iteration in hand, with a checkpoint."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.util import register_after_fork
from threading import Thread
from types import FrameType
from typing import Any

import torch
import torch.distributed as dist
from mmengine.dist import barrier, get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from cfcontra_mm.errors import InputError, Stopped

from .checkpoints import AtomicCheckpointHook
from .finite_losses import NotFiniteError

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

PATIENCE = 5.0
"""Seconds after a signal from which a second one ends the process at once. A launcher
passes on what the ranks have already got from the terminal."""


class _Signals:
    """The signal that this process has received, if any."""

    number = 0
    time = 0.0

    def note(self, number: int, frame: FrameType | None) -> None:
        """Note a signal; a second one that comes much later ends the process."""
        if self.number and time.monotonic() - self.time > PATIENCE:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        if not self.number:
            self.number, self.time = number, time.monotonic()


_signals = _Signals()


@contextmanager
def stoppable() -> Iterator[None]:
    """Note signals instead of dying from them, for :class:`StopHook`.

    Signals that are ignored stay so: ``nohup`` ignores SIGHUP.
    """
    global _signals
    _signals = _Signals()
    previous = {number: signal.getsignal(number) for number in SIGNALS}
    heeded = [n for n, handler in previous.items() if handler != signal.SIG_IGN]
    for number in heeded:
        signal.signal(number, _signals.note)
    try:
        with deaf_children():
            yield
    finally:
        for number in heeded:
            signal.signal(number, previous[number])
        _signals = _Signals()


class _Period:
    """While such an object lives, child processes are deaf to signals."""


@contextmanager
def deaf_children() -> Iterator[None]:
    """Let processes that are forked in a block leave signals to this one.

    Ctrl-C and schedulers signal data workers too, whose end would be an error.
    """
    period = _Period()
    register_after_fork(period, _leave_to_parent)
    yield
    del period


def _leave_to_parent(_: _Period) -> None:
    """Let a child process obey no signal but its parent's."""
    # By the mask, as torch sets handlers of its own in data workers.
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    Thread(target=_await_parent, daemon=True).start()


def _await_parent() -> None:
    while signal.sigwaitinfo([signal.SIGTERM]).si_pid != os.getppid():
        pass
    os._exit(0)


def stop_if_asked(message: str) -> None:
    """End the process if a signal has asked for it, where nothing is to be saved.

    Args:
        message: What is said, after the name of the signal.

    Raises:
        Stopped: A signal has come.
    """
    if _signals.number:
        raise Stopped(_signals.number, f': {message}')


@HOOKS.register_module()
class StopHook(Hook):
    """Ends a training after the iteration in hand once a rank has got a signal.

    A checkpoint is saved, unless that of this iteration exists. During a validation the
    training ends after the image in hand; the resumed training makes the validation up.
    """

    priority = 'LOWEST'  # after the checkpoint of the iteration, if one is due

    def before_train(self, runner: Runner) -> None:
        """Make the group through which the ranks agree, without their devices."""
        self.between = True
        several = get_world_size() > 1
        self.group: Any = dist.new_group(backend='gloo') if several else None

    def before_train_iter(self, runner: Runner, *args: Any, **kwargs: Any) -> None:
        """Note that the state is not that of a whole iteration."""
        self.between = False

    def after_train_iter(self, runner: Runner, *args: Any, **kwargs: Any) -> None:
        """End the training if a rank is asked to.

        Raises:
            Stopped: It is.
        """
        self.between = True
        if number := self._agreed():
            self._stop(runner, number, runner.iter + 1)

    def after_val_iter(
        self, runner: Runner, batch_idx: int, *args: Any, **kwargs: Any
    ) -> None:
        """End the validation of a training if a rank is asked to.

        Raises:
            Stopped: It is.
        """
        loader = runner.val_dataloader
        # Ranks may have different numbers of batches; these they all have.
        shared = len(loader.dataset) // (get_world_size() * (loader.batch_size or 1))
        if hasattr(self, 'group') and batch_idx < shared and (n := self._agreed()):
            self._stop(runner, n, runner.iter)

    def _agreed(self) -> int:
        """Return the signal that a rank has got, 0 if none has."""
        if self.group is None:
            return _signals.number
        number = torch.tensor(_signals.number)
        dist.all_reduce(number, dist.ReduceOp.MAX, self.group)
        return int(number)

    def rescue(self, runner: Runner) -> str:
        """Save the last iteration after an error outside of one, in one process.

        Returns:
            What is saved, for the message; empty if nothing is.
        """
        whole = getattr(self, 'between', False) and runner.iter > 0
        if not whole or get_world_size() > 1:
            return ''
        _save(runner, runner.iter)
        return f'; iteration {runner.iter} is saved, and --resume continues from it'

    def _stop(self, runner: Runner, number: int, iteration: int) -> None:
        _save(runner, iteration)
        barrier()
        last = runner.message_hub.runtime_info.get('last_ckpt')
        raise Stopped(
            number,
            f' after iteration {iteration}; the same command with --resume continues '
            f'from {last}',
        )


def _save(runner: Runner, iteration: int) -> None:
    for hook in runner.hooks:
        if isinstance(hook, AtomicCheckpointHook):
            hook.save_now(runner, iteration)


def train_to_the_end(runner: Runner) -> None:
    """Train; if an error of the input ends it, save the last whole iteration.

    Raises:
        InputError: The error; the message also says what is saved.
    """
    try:
        runner.train()
    except NotFiniteError:
        raise
    except InputError as error:
        hooks = [hook for hook in runner.hooks if isinstance(hook, StopHook)]
        saved = ''.join(hook.rescue(runner) for hook in hooks)
        raise InputError(f'{error}{saved}') from error
