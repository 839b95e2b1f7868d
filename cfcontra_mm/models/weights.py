"""Weights from files, which are read without running code, and from downloads."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from zipfile import is_zipfile

import numpy as np
import torch
from mmengine.logging import HistoryBuffer, MMLogger
from torch import Tensor, nn

from cfcontra_mm.errors import InputError

TRUST = 'pass --trust-checkpoint if you trust where it comes from'
TENSORS_ALONE = (
    'save its tensors alone, torch.save(state_dict, FILE), if you trust where it comes '
    'from'
)
"""What to do about a file of weights that could run code."""


def read_checkpoint(
    path: str | Path,
    map_location: str = 'cpu',
    trust: bool = False,
    refused: str = TRUST,
) -> dict:
    """Read a checkpoint file without running code that it may hold.

    Args:
        path: File that MMEngine or ``torch.save`` wrote.
        map_location: Device of the tensors.
        trust: Whether the file may hold any Python object.
        refused: What the message says to do about a file that needs ``trust``.

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
        raise InputError(_why_unreadable(path, error, refused)) from error
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


def _why_unreadable(path: str | Path, error: Exception, advice: str) -> str:
    pickled = isinstance(error, UnpicklingError)
    if pickled and (is_zipfile(path) or 'GLOBAL' in str(error)):
        named = re.search(r'GLOBAL ([\w.]*\w)', str(error))
        what = named.group(1) if named else 'a Python object'
        return (
            f'{path}: holds more than weights ({what}), which could run any code; '
            f'{advice}'
        )
    return f'{path}: truncated or not a checkpoint; restore it or name another'


def weights_of(checkpoint: dict) -> dict[str, Tensor]:
    """A checkpoint's state dict, by the names of the bare model."""
    state_dict = checkpoint.get('state_dict', checkpoint)
    return {key.removeprefix('module.'): value for key, value in state_dict.items()}


def read_weights(path: str | Path, field: str) -> dict[str, Tensor]:
    """The tensors of a file by their names.

    Args:
        path: File of weights, or a checkpoint; or the address of one, which is
            downloaded once.
        field: The setting that names the file, for the messages.

    Raises:
        InputError: The file is missing, damaged or holds no weights by name.
    """
    if '://' in str(path):
        path = _download(str(path), field)
    if not Path(path).is_file():
        raise InputError(f'{path}: no such file; set {field} to a file of weights')
    return weights_of(read_checkpoint(path, refused=TENSORS_ALONE))


def load_start(
    module: nn.Module, state: Mapping[str, Tensor], name: str, network: str
) -> None:
    """Load the weights that a network starts from; what it has no use for is left out.

    Args:
        module: The network.
        state: Weights by the network's names.
        name: Where they come from, for the messages.
        network: What they must be of, for the messages.

    Raises:
        InputError: Some are missing or of another shape.
    """
    own = module.state_dict()
    fitting = {k: v for k, v in state.items() if k in own and own[k].shape == v.shape}
    # num_batches_tracked is absent from old files and means nothing here.
    needed = {k for k in own if not k.endswith('num_batches_tracked')}
    missing = sorted(needed - fitting.keys())
    if missing:
        raise InputError(
            f'{name}: {len(missing)} of {len(needed)} tensors of {network} are missing '
            f'or have another shape, for example {missing[0]}; set '
            f'model.backbone.weights to weights of {network}'
        )
    module.load_state_dict(fitting, strict=False)
    MMLogger.get_current_instance().info(f'backbone weights: {name}')


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
    with _downloading(f'the ImageNet weights of {network}', weights.url, field):
        return weights.get_state_dict(progress=True, check_hash=True)


def _download(url: str, field: str) -> Path:
    """The file of an address in torch's cache; its name may hold the hash."""
    path = Path(torch.hub.get_dir(), 'checkpoints', url.rsplit('/', 1)[-1])
    if not path.exists():
        found = torch.hub.HASH_REGEX.search(path.name)
        with _downloading('the weights', url, field):
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(url, str(path), found and found.group(1))
    return path


@contextmanager
def _downloading(what: str, url: str, field: str) -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError) as error:  # RuntimeError: a wrong checksum
        raise InputError(
            f'cannot download {what} ({error}); place the file {url} under '
            f'{torch.hub.get_dir()}/checkpoints/ or set {field} to your copy'
        ) from error
