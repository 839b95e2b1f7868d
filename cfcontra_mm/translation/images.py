"""Pictures as they lie in files, in another style."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmseg.registry import MODELS
from PIL import Image, ImageOps
from torch import Tensor

from cfcontra_mm.config import open_config
from cfcontra_mm.errors import InputError
from cfcontra_mm.losses.style import Statistics
from cfcontra_mm.models.weights import read_checkpoint, weights_of

from .adain import AdaINStyleTransfer


def load_translator(
    config: str | Path | Config, checkpoint: str | Path, trust: bool = False
) -> AdaINStyleTransfer:
    """Build a trained translator.

    Args:
        config: Config that it was trained with, or the file of it.
        checkpoint: As ``tools/train.py`` wrote it.
        trust: Whether the checkpoint may hold any Python object.

    Returns:
        The translator on the CPU, ready to predict.

    Raises:
        InputError: A file is missing or damaged, the config is of something else, or
            the checkpoint of another architecture.
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
            f'{checkpoint}: of another architecture than {config.filename} ({example} '
            'is missing or of another shape); use the config that it was trained with'
        )
    model.load_state_dict(state)
    # As pictures lie in memory; convolutions on the CPU take half the time so.
    return model.to(memory_format=torch.channels_last).eval()


def _build(cfg: Config) -> AdaINStyleTransfer:
    if cfg.get('model', {}).get('type') != 'AdaINStyleTransfer':
        raise InputError(
            f'{cfg.filename}: its model is no AdaINStyleTransfer; name a config of '
            'configs/adain'
        )
    with DefaultScope.overwrite_default_scope('mmseg'):
        return MODELS.build(cfg.model)


def read_picture(path: str) -> np.ndarray:
    """A picture, RGB, uint8, (H, W, 3), turned as its EXIF data say.

    `LoadImage` turns it likewise, so labels that fit the one fit the other.

    Raises:
        InputError: The picture is missing, truncated or not a picture.
    """
    try:
        # OpenCV, which LoadImage uses, lets truncated pictures pass.
        with Image.open(path) as image:
            turned = ImageOps.exif_transpose(image)
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f'{path}: truncated or not a picture') from error
    if turned.mode.startswith('I'):
        # 16 bits of grey, which Pillow would clip instead of scale.
        turned = Image.fromarray((np.asarray(turned) // 256).astype(np.uint8))
    return np.array(turned.convert('RGB'))


@contextmanager
def naming(path: str) -> Iterator[None]:
    """Puts the picture's path before what is wrong with it."""
    try:
        yield
    except InputError as error:
        raise InputError(f'{path}: {error}') from error


@torch.no_grad()
def picture_statistics(model: AdaINStyleTransfer, picture: np.ndarray) -> Statistics:
    """The style of a picture, RGB, uint8, (H, W, 3)."""
    return model.statistics(_to_tensor(model, picture))


@torch.no_grad()
def translate_picture(
    model: AdaINStyleTransfer,
    picture: np.ndarray,
    style: Statistics,
    alpha: float = 1.0,
) -> np.ndarray:
    """A picture in another style.

    Args:
        model: The translator.
        picture: RGB, uint8, (H, W, 3), of any size above the encoder's stride.
        style: As :func:`picture_statistics` gives it.
        alpha: Share of the style, from 0 to 1.

    Returns:
        RGB, uint8, (H, W, 3), of the same size.
    """
    translated = model.translate(_to_tensor(model, picture), style, alpha)[0]
    values = translated.clamp(0, 1).mul(255).round().byte()
    return values.permute(1, 2, 0).cpu().numpy()


def _to_tensor(model: AdaINStyleTransfer, picture: np.ndarray) -> Tensor:
    pixels = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)
    return pixels[None].to(model.data_preprocessor.device).float() / 255
