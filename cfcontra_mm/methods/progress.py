"""How much of the training is completed, for losses that change with it."""

from __future__ import annotations

from mmengine.logging import MessageHub


def progress() -> float:
    """Return the completed share of the training, in [0, 1); 0 outside training."""
    hub = MessageHub.get_current_instance()
    return hub.get_info('iter', 0) / hub.get_info('max_iters', 1)
