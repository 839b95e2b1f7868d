"""Settings by the names that they had before the losses were modules.

Configs and checkpoints that name them are understood for one release.
"""

from __future__ import annotations

import warnings
from typing import Any


def with_old(field: str, loss: dict | None, kind: str, **old: tuple[str, Any]) -> dict:
    """The config of a loss with what old settings say of it.

    Args:
        field: The loss's key in the model's config.
        loss: Its config; ``None`` for a default one.
        kind: Type of the default.
        **old: By the old name the new one within the loss and the value, ``None``
            where it is not set.
    """
    loss = dict(type=kind) if loss is None else dict(loss)
    for name, (key, value) in old.items():
        if value is not None:
            _warn(name, f'{field}.{key}')
            loss[key] = value
    return loss


def of_each_head(
    field: str, losses: dict | None, kind: str, **old: dict[str, float] | None
) -> dict[str, dict]:
    """The configs of the losses of each head with the weights that an old setting has.

    Args:
        field: Their key in the model's config.
        losses: By the head's name; ``None`` for none.
        kind: Type of a loss that only the old setting names.
        **old: By the old name the weight of each head, ``None`` where it is not set.
    """
    losses = {name: dict(loss) for name, loss in (losses or {}).items()}
    for name, weights in old.items():
        if weights is not None:
            _warn(name, f'{field}.HEAD.loss_weight')
            for head, weight in weights.items():
                losses.setdefault(head, dict(type=kind))['loss_weight'] = weight
    return losses


def _warn(old: str, new: str) -> None:
    warnings.warn(
        f'model.{old} is now model.{new}; the old name goes in the next release',
        FutureWarning,
        stacklevel=4,
    )
