"""Which validations of a training are due, and which are missing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

# Of MMEngine's IterBasedTrainLoop.
DEFAULT_INTERVAL = 1000


def missing_validations(
    settings: Mapping[str, Any], made: Collection[int]
) -> list[int]:
    """Return the iterations whose validation was due but was not made.

    Args:
        settings: Settings of the config; [] is returned if they do not say which
            validations are due.
        made: Iterations of the validations that were made.
    """
    loop = settings.get('train_cfg') or {}
    last = loop.get('max_iters')
    if not last or not settings.get('val_dataloader') or loop.get('dynamic_intervals'):
        return []
    interval = loop.get('val_interval', DEFAULT_INTERVAL)
    due = {*range(interval, last, interval), last}
    begin = loop.get('val_begin', 1)
    return sorted(i for i in due if i >= begin and i not in made)
