"""Load a trained translator, and translate images with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmseg.registry import MODELS
from torch import Tensor

from cfcontra_mm.config import open_config
from cfcontra_mm.errors import InputError
from cfcontra_mm.losses.style import Statistics
from cfcontra_mm.models.weights import read_checkpoint, weights_of

from .adain import AdaINStyleTransfer


def load_translator(
    config: str | Path | Config, checkpoint: str | Path, trust: bool = False
) -> AdaINStyleTransfer:
    """Load a trained translator.

    Args:
        config: The config that it was trained with, or its file.
        checkpoint: Its checkpoint, as ``tools/train.py`` writes it.
        trust: Whether the checkpoint may hold any Python object.

    Returns:
        The translator on the CPU, in evaluation mode.

    Raises:
        InputError: A file is missing or damaged, the config is not a translator's, or
            the checkpoint does not match the model.
    """
    if not isinstance(config, Config):
        config = open_config(config, import_modules=False)
    model = _build(config)
    state = weights_of(read_checkpoint(checkpoint, trust=trust))
    own = model.state_dict()
    wrong = [k for k, v in own.items() if k not in state or state[k].shape != v.shape]
    if wrong or state.keys() - own.keys():
        example = next(iter(wrong or sorted(state.keys() - own.keys())))
        raise InputError(
            f'{checkpoint}: does not match the model of {config.filename} ({example} '
            'is missing, unexpected or of another shape); use the config that it was '
            'trained with'
        )
    model.load_state_dict(state)
    # The memory layout of images, in which the CPU convolves twice as fast.
    return model.to(memory_format=torch.channels_last).eval()


def _build(cfg: Config) -> AdaINStyleTransfer:
    if cfg.get('model', {}).get('type') != 'AdaINStyleTransfer':
        raise InputError(
            f'{cfg.filename}: model.type is not AdaINStyleTransfer; use one of '
            'configs/adain'
        )
    with DefaultScope.overwrite_default_scope('mmseg'):
        return MODELS.build(cfg.model)


@contextmanager
def prefix_errors(path: str) -> Iterator[None]:
    """Prefix an ``InputError`` of the block with the path of the image."""
    try:
        yield
    except InputError as error:
        raise InputError(f'{path}: {error}') from error


@torch.no_grad()
def image_statistics(model: AdaINStyleTransfer, image: np.ndarray) -> Statistics:
    """Compute the style of an image.

    Args:
        model: The translator.
        image: RGB, uint8, (H, W, 3), with H and W larger than the encoder's stride.

    Raises:
        InputError: The image is too small.
    """
    return model.statistics(_to_tensor(model, image))


@torch.no_grad()
def translate_image(
    model: AdaINStyleTransfer,
    image: np.ndarray,
    style: Statistics,
    alpha: float = 1.0,
) -> np.ndarray:
    """Translate an image to another style.

    Args:
        model: The translator.
        image: RGB, uint8, (H, W, 3), with H and W larger than the encoder's stride.
        style: The style, as :func:`image_statistics` returns it.
        alpha: Strength of the style, from 0 to 1.

    Returns:
        The translated image, RGB, uint8, (H, W, 3).

    Raises:
        InputError: The image is too small.
    """
    translated = model.translate(_to_tensor(model, image), style, alpha)[0]
    values = translated.clamp(0, 1).mul(255).round().byte()
    return values.permute(1, 2, 0).cpu().numpy()


def _to_tensor(model: AdaINStyleTransfer, image: np.ndarray) -> Tensor:
    pixels = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)
    return pixels[None].to(model.data_preprocessor.device).float() / 255
