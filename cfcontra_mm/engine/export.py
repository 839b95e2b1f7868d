"""From a trained checkpoint to the files of a plain MMSegmentation model."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from cfcontra_mm.models.export import config_text, plain_config, plain_weights
from cfcontra_mm.models.weights import read_checkpoint, weights_of

from .checkpoints import checkpoint_config, dataset_meta


def export_checkpoint(
    path: str | Path, out: str | Path, trust: bool = False
) -> tuple[Path, Path]:
    """Write ``model.py`` and ``model.pth`` for MMSegmentation without this package.

    Args:
        path: Checkpoint that ``tools/train.py`` wrote.
        out: Folder to write to.
        trust: Whether the checkpoint may hold any Python object.

    Returns:
        The config and the checkpoint.

    Raises:
        InputError: The checkpoint cannot be used, or a part of its model has no
            counterpart in MMSegmentation.
    """
    checkpoint = read_checkpoint(path, trust=trust)
    cfg = checkpoint_config(checkpoint, path, trust)
    plain = plain_config(cfg)
    weights = plain_weights(cfg.model, weights_of(checkpoint))
    meta = dict(dataset_meta=dataset_meta(checkpoint, path))
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    config, model = out / 'model.py', out / 'model.pth'
    torch.save(dict(meta=meta, state_dict=weights), out / 'model.tmp.pth')
    (out / 'model.tmp.py').write_text(config_text(plain), encoding='utf-8')
    os.replace(out / 'model.tmp.pth', model)
    os.replace(out / 'model.tmp.py', config)
    return config, model
