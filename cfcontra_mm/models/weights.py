"""Read weights from files and downloads, without running code that they may hold."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from zipfile import BadZipFile, ZipFile, is_zipfile

import numpy as np
import torch
from mmengine.logging import HistoryBuffer, MMLogger
from numpy._core import multiarray
from torch import Tensor, nn

from cfcontra_mm.errors import InputError

TRUST = 'pass --trust-checkpoint if you trust where it comes from'
TENSORS_ALONE = f'{TRUST}, or save its tensors alone with torch.save(state_dict, FILE)'
"""Advice about a file of initial weights that could run code."""

RUNNING = 'running_statistics'
"""Key of a checkpoint with the running statistics of its training, by their names, if
its weights hold those that it was tested under."""

_trusted = False


def trust_files(trust: bool) -> None:
    """Set whether the files of initial weights may hold any Python object.

    Networks read them when they are built, out of reach of a command's arguments.
    """
    global _trusted
    _trusted = trust


def read_checkpoint(
    path: str | Path,
    map_location: str | None = 'cpu',
    trust: bool = False,
    refused: str = TRUST,
) -> dict:
    """Read a checkpoint file without running code that it may hold.

    Args:
        path: File written by MMEngine or ``torch.save``.
        map_location: Device of the tensors.
        trust: Whether to load any Python object that the file holds.
        refused: Advice in the error message about a file that needs ``trust``.

    Raises:
        InputError: The file is missing, damaged, not a checkpoint, or needs ``trust``.
    """
    if not Path(path).is_file():
        raise InputError(f'{path}: no such checkpoint file')
    _check_sums(path)
    try:
        with torch.serialization.safe_globals(_safe_globals()):
            checkpoint = torch.load(
                path, map_location=map_location, weights_only=not trust
            )
    except Exception as error:
        raise InputError(_why_unreadable(path, error, refused)) from error
    if not isinstance(checkpoint, dict):
        raise InputError(f'{path}: not a checkpoint; it holds no dict of weights')
    _check_parts(checkpoint, path)
    if not trust:
        # On resume MMEngine would run this text, which it no longer writes.
        checkpoint.get('meta', {}).pop('config', None)
    return checkpoint


def _check_sums(path: str | Path) -> None:
    """Verify the checksums of a file of ``torch.save``, which torch ignores.

    Raises:
        InputError: One is wrong.
    """
    if not is_zipfile(path):
        return  # older formats have none
    try:
        with ZipFile(path) as archive:
            damaged = archive.testzip()
    except (BadZipFile, OSError, EOFError, zlib.error):
        damaged = 'its directory'
    if damaged:
        raise InputError(
            f'{path}: damaged (wrong checksum of {damaged}); restore it or choose '
            'another'
        )


def _check_parts(checkpoint: dict, path: str | Path) -> None:
    """Refuse a checkpoint whose parts are not what MMEngine writes."""
    if not isinstance(checkpoint.get('meta', {}), dict):
        raise InputError(
            f'{path}: damaged (meta is no dict); choose another checkpoint'
        )
    running = checkpoint.get(RUNNING, {})
    if not isinstance(running, dict) or not _are_tensors(running):
        raise InputError(
            f'{path}: damaged ({RUNNING} is no dict of tensors); choose another '
            'checkpoint'
        )
    state = checkpoint.get('state_dict', checkpoint)
    named = isinstance(state, dict) and all(isinstance(key, str) for key in state)
    if not named or ('state_dict' in checkpoint and not _are_tensors(state)):
        raise InputError(
            f'{path}: damaged (state_dict is no dict of tensors by name); choose '
            'another checkpoint'
        )


def _are_tensors(state: dict) -> bool:
    named = ((str(key), value) for key, value in state.items())
    own = (value for key, value in named if not key.endswith('_extra_state'))
    return all(isinstance(value, Tensor) for value in own)


def _safe_globals() -> list:
    """Return the types of MMEngine's own checkpoints: those of its log history."""
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
    """Replace ``getattr`` for the methods that a pickled ``HistoryBuffer`` names."""
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
    return f'{path}: truncated or not a checkpoint; restore it or choose another'


def weights_of(checkpoint: dict) -> dict[str, Tensor]:
    """Return a checkpoint's state dict, by the names of the unwrapped model."""
    state_dict = checkpoint.get('state_dict', checkpoint)
    return {key.removeprefix('module.'): value for key, value in state_dict.items()}


def read_weights(path: str | Path, field: str) -> dict[str, Tensor]:
    """Read the tensors of a file, by their names.

    Args:
        path: File of weights or checkpoint, or its URL, which is downloaded once.
        field: Setting that names the file, for the error messages.

    Raises:
        InputError: The file is missing, damaged or not a file of weights.
    """
    if '://' in str(path):
        path = _download(str(path), field)
    if not Path(path).is_file():
        raise InputError(
            f'{path}: no such file or directory; set {field} to a file of weights'
        )
    return weights_of(read_checkpoint(path, trust=_trusted, refused=TENSORS_ALONE))


def load_start(
    module: nn.Module, state: Mapping[str, Tensor], name: str, network: str
) -> None:
    """Load the initial weights of a network; tensors that it does not have are ignored.

    Args:
        module: The network.
        state: Weights by the network's names.
        name: File or name of the weights, for the error message and the log.
        network: Name of the network, for the error message.

    Raises:
        InputError: Tensors are missing or have another shape.
    """
    own = module.state_dict()
    fitting = {k: v for k, v in state.items() if k in own and own[k].shape == v.shape}
    # Old files lack num_batches_tracked, which is not used.
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


def is_torchvision_file(path: str | Path, name: str) -> bool:
    """Tell whether a file is one that torchvision downloads, by its file name.

    Args:
        path: The file.
        name: Name of torchvision's enumeration, such as ``ResNet50_Weights``.
    """
    import torchvision  # here, so that all else runs without it

    known = getattr(torchvision.models, name, ())
    return Path(path).name in {weights.url.rsplit('/', 1)[-1] for weights in known}


def torchvision_weights(name: str, network: str, field: str) -> dict[str, Tensor]:
    """Return the first ImageNet weights of a network of torchvision.

    Args:
        name: Name of torchvision's enumeration, such as ``VGG19_Weights``.
        network: Name of the network, for the error message.
        field: Setting that asks for them, for the error message.

    Raises:
        InputError: The weights cannot be downloaded.
    """
    import torchvision  # here, so that all else runs without it

    weights = getattr(torchvision.models, name).IMAGENET1K_V1
    with _downloading(f'the ImageNet weights of {network}', weights.url, field):
        return weights.get_state_dict(progress=True, check_hash=True)


def _download(url: str, field: str) -> Path:
    """Return the file of a URL in torch's cache, whose name may hold its hash."""
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
