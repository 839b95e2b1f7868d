"""Weights from files, which are read without running code, and from downloads."""

from __future__ import annotations

import re
from pathlib import Path
from pickle import UnpicklingError
from zipfile import is_zipfile

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from torch import Tensor

from cfcontra_mm.errors import InputError


def read_checkpoint(
    path: str | Path, map_location: str = 'cpu', trust: bool = False
) -> dict:
    """Read a checkpoint file without running code that it may hold.

    Args:
        path: File that MMEngine or ``torch.save`` wrote.
        map_location: Device of the tensors.
        trust: Whether the file may hold any Python object.

    Raises:
        InputError: The file is missing, damaged, no checkpoint, or needs ``trust``.
    """
    if not Path(path).is_file():
        raise InputError(f'{path}: no such checkpoint file')
    try:
        with torch.serialization.safe_globals(_safe_globals()):
            checkpoint = torch.load(
                path, map_location=map_location, weights_only=not trust
            )
    except Exception as error:
        raise InputError(_why_unreadable(path, error)) from error
    if not isinstance(checkpoint, dict):
        raise InputError(f'{path}: no checkpoint; it holds no dict of weights')
    if not trust:
        # MMEngine would run this text, which it no longer writes, on resume.
        checkpoint.get('meta', {}).pop('config', None)
    return checkpoint


def _safe_globals() -> list:
    """What MMEngine's own checkpoints hold beside tensors: the history of logs."""
    multiarray = np._core.multiarray
    dtypes = [getattr(np.dtypes, name) for name in np.dtypes.__all__]
    return [
        HistoryBuffer,
        (_history_statistic, 'builtins.getattr'),
        np.ndarray,
        np.dtype,
        multiarray._reconstruct,
        multiarray.scalar,
        *dtypes,
    ]


def _history_statistic(owner: type, name: str) -> object:
    """``getattr`` for the methods that a pickled ``HistoryBuffer`` refers to."""
    if owner is not HistoryBuffer or name not in ('min', 'max', 'current', 'mean'):
        raise UnpicklingError(f'GLOBAL getattr of {name} is not allowed')
    return getattr(owner, name)


def _why_unreadable(path: str | Path, error: Exception) -> str:
    refused = isinstance(error, UnpicklingError)
    if refused and (is_zipfile(path) or 'GLOBAL' in str(error)):
        named = re.search(r'GLOBAL ([\w.]*\w)', str(error))
        what = named.group(1) if named else 'a Python object'
        return (
            f'{path}: holds more than weights ({what}), which could run any code; '
            'pass --trust-checkpoint if you trust where it comes from'
        )
    return f'{path}: truncated or not a checkpoint; restore it or name another'


def weights_of(checkpoint: dict) -> dict[str, Tensor]:
    """A checkpoint's state dict, by the names of the bare model."""
    state_dict = checkpoint.get('state_dict', checkpoint)
    return {key.removeprefix('module.'): value for key, value in state_dict.items()}


def read_weights(path: str | Path, field: str) -> dict[str, Tensor]:
    """The tensors of a file by their names.

    Args:
        path: File of weights, or a checkpoint.
        field: The setting that names the file, for the messages.

    Raises:
        InputError: The file is missing, damaged or holds no weights by name.
    """
    if not Path(path).is_file():
        raise InputError(f'{path}: no such file; set {field} to a file of weights')
    return weights_of(read_checkpoint(path))


def torchvision_weights(name: str, network: str, field: str) -> dict[str, Tensor]:
    """The first ImageNet weights of one of torchvision's networks.

    Args:
        name: Of torchvision's enumeration, such as ``VGG19_Weights``.
        network: Of the network, for the message.
        field: The setting that asked for them, for the message.

    Raises:
        InputError: They cannot be downloaded.
    """
    import torchvision  # only here, so that all else runs without it

    weights = getattr(torchvision.models, name).IMAGENET1K_V1
    try:
        return weights.get_state_dict(progress=True, check_hash=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: a wrong checksum
        raise InputError(
            f'cannot download the ImageNet weights of {network} ({error}); place '
            f'the file {weights.url} under {torch.hub.get_dir()}/checkpoints/ or set '
            f'{field} to your copy'
        ) from error
