"""The hook that notes which losses move the network, and warns of those that do not."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Mapping
from typing import cast

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from cfcontra_mm.methods.base import UDASegmentor

from .loss_shares import LossShare, basis_of, measure_loss_shares
from .step import unwrapped
from .training_log import SHARE

LEAST = 1.0
"""Share in percent below which a term is said to do nothing."""

LARGEST = 'largest_loss_shares'
"""Key of the message hub, which is saved and resumed with the training."""


@HOOKS.register_module()
class LossSharesHook(Hook):
    """Logs the share of each loss in the gradient, and warns of idle losses at the end.

    It measures on the batch of an iteration, before its step
    (:func:`~cfcontra_mm.engine.measure_loss_shares`), and does not change the training.
    A measurement takes a forward pass and, for each term, a backward pass. The log gets
    ``share/TERM`` in percent, ``cosine/TERM`` and ``gradient_left``, what clipping
    leaves in percent; TERM is :func:`logged_name`. Terms that by design train heads or
    discriminators alone are left out; supervised ones are never warned of.

    Args:
        interval: Iterations between measurements; the first is in the first iteration.
    """

    def __init__(self, interval: int) -> None:
        self.interval = interval

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None
    ) -> None:
        """Measure, if it is time."""
        due = runner.iter == 0 or self.every_n_train_iters(runner, self.interval)
        if not due or data_batch is None:
            return
        shares = measure_loss_shares(runner.model, data_batch, runner.optim_wrapper)
        shares = {term: s for term, s in shares.items() if not s.is_beside}
        # A loss that is not finite is for another hook to report.
        if all(math.isfinite(share.share) for share in shares.values()):
            _log(runner, shares)
            _note_largest(runner, shares)

    def after_train(self, runner: Runner) -> None:
        """Warn of every term that was never a fair share of the gradient."""
        basis = basis_of(cast(UDASegmentor, unwrapped(runner.model)))
        for term, share in runner.message_hub.runtime_info.get(LARGEST, {}).items():
            if share < LEAST:
                print_log(
                    f'{term}: below {LEAST:g} % of the gradient on the {basis} in '
                    f'every measurement (largest {share:.2g} %); raise its weight or '
                    'leave it out',
                    logger='current',
                    level=logging.WARNING,
                )


def logged_name(term: str) -> str:
    """Return the name of a term without ``loss``, as all that holds it is a loss.

    Example:
        ``target.decode.loss_ent`` is logged as ``target.decode.ent``.
    """
    return re.sub('loss_|_loss', '', term).replace('loss', 'term')


def _log(runner: Runner, shares: Mapping[str, LossShare]) -> None:
    # Beside the entries of MMEngine's logger, which would repeat old values.
    values: dict[str, float] = dict(iter=runner.iter + 1)
    for term, share in shares.items():
        values[SHARE + logged_name(term)] = share.share
        values['gradient_left'] = share.gradient_left
        if not math.isnan(share.cosine):
            values[f'cosine/{logged_name(term)}'] = share.cosine
    runner.visualizer.add_scalars(values, step=runner.iter + 1)
    listed = ', '.join(f'{term} {s.share:.2g} %' for term, s in shares.items())
    print_log(f'shares of the gradient: {listed}', logger='current')


def _note_largest(runner: Runner, shares: Mapping[str, LossShare]) -> None:
    largest = dict(runner.message_hub.runtime_info.get(LARGEST, {}))
    for term, share in shares.items():
        if not share.supervised:
            largest[term] = max(share.share, largest.get(term, 0.0))
    runner.message_hub.update_info(LARGEST, largest)
