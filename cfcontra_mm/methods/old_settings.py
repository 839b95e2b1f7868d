"""Settings of losses by their names of version 0.1, supported for one release."""

from __future__ import annotations

import warnings
from typing import Any


def apply_old_settings(
    field: str, loss: dict | None, kind: str, **old: tuple[str, Any]
) -> dict:
    """Return the config of a loss with the values of old settings.

    Args:
        field: Key of the loss in the config of the model.
        loss: Config of the loss; ``None`` for the default.
        kind: Type of the default.
        **old: New key in the loss and value of each old setting, by its old name; the
            value is ``None`` if it is not set.
    """
    loss = dict(type=kind) if loss is None else dict(loss)
    for name, (key, value) in old.items():
        if value is not None:
            _warn(name, f'{field}.{key}')
            loss[key] = value
    return loss


def apply_old_weights(
    field: str, losses: dict | None, kind: str, **old: dict[str, float] | None
) -> dict[str, dict]:
    """Return the configs of each head's loss with the weights of old settings.

    Args:
        field: Key of the losses in the config of the model.
        losses: Configs by the head's name; ``None`` for no losses.
        kind: Type of a loss that only an old setting has.
        **old: Weight of each head by the setting's old name; ``None`` if it is not set.
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
        f'model.{old} is now model.{new}; the next release removes the old name',
        FutureWarning,
        stacklevel=4,
    )
