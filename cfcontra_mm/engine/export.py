"""Exporting a trained checkpoint as a plain MMSegmentation model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from mmengine.config import Config
from mmseg.apis import init_model
from mmseg.models import BaseSegmentor, EncoderDecoder
from mmseg.structures import SegDataSample
from torch import Tensor

from cfcontra_mm.errors import InputError
from cfcontra_mm.files import whole_file, write_whole
from cfcontra_mm.models.export import config_text, plain_config, plain_weights
from cfcontra_mm.models.parts import PARTS
from cfcontra_mm.models.weights import read_checkpoint, weights_of

from .checkpoints import build_segmentor, checkpoint_config, dataset_meta

TOLERANCE = 1e-4
"""Largest difference of the logits, as a share of the largest logit: mmseg's
``ASPPHead`` sums in another order than ``DLV2Head``."""

SIZE = (224, 448)
"""Height and width of the image that both predict: whole patches of 14 and of 16."""


def export_checkpoint(
    path: str | Path, out: str | Path, trust: bool = False
) -> tuple[Path, Path]:
    """Write ``model.py`` and ``model.pth`` for MMSegmentation without this package.

    Both models predict on a random image before anything is written.

    Args:
        path: Checkpoint that ``tools/train.py`` wrote.
        out: Folder to write to.
        trust: Whether the checkpoint may hold any Python object.

    Returns:
        The paths of the config and of the checkpoint.

    Raises:
        InputError: The checkpoint cannot be used, a part of its model has no
            counterpart in MMSegmentation, or the plain model predicts differently.
    """
    checkpoint = read_checkpoint(path, trust=trust)
    cfg = checkpoint_config(checkpoint, path, trust)
    state_dict = weights_of(checkpoint)
    plain = plain_config(cfg, state_dict)
    weights = plain_weights(cfg.model, state_dict)
    meta = dict(dataset_meta=dataset_meta(checkpoint, path))
    # On the CPU: a GPU's convolutions may round to ten bits.
    method = build_segmentor(cfg, checkpoint, path, 'cpu')
    _check_same(method, _build_plain(plain, weights, path), path)
    config, model = Path(out, 'model.py'), Path(out, 'model.pth')
    with whole_file(model) as temporary:
        torch.save(dict(meta=meta, state_dict=weights), temporary)
        write_whole(config, config_text(plain))
    return config, model


def _build_plain(
    cfg: Config, weights: Mapping[str, Tensor], name: str | Path
) -> BaseSegmentor:
    model = init_model(Config(cfg.to_dict()), device='cpu')
    try:
        model.load_state_dict(weights, strict=True)
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip()
        raise InputError(
            f'{name}: checkpoint does not match the plain model: {first}; a method '
            'that changes a part of the network cannot be exported'
        ) from error
    return model


def _check_same(method: BaseSegmentor, plain: BaseSegmentor, name: str | Path) -> None:
    """Make sure that two models predict the same, up to rounding.

    Raises:
        InputError: They do not.
    """
    wanted, found = (_logits(model) for model in (method, plain))
    difference = ((found - wanted).abs().max() / wanted.abs().max()).item()
    if not difference <= TOLERANCE:
        raise InputError(
            f'{name}: the plain model predicts differently (its logits by '
            f'{difference:.2g} of the largest): {_likely_cause(method)}; such a model '
            'cannot be exported'
        )


@torch.no_grad()
def _logits(model: BaseSegmentor) -> Tensor:
    """Compute the logits of a random image, the same for every model."""
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(256, (3, *SIZE), generator=generator, dtype=torch.uint8)
    sample = SegDataSample(metainfo=dict(img_shape=SIZE, ori_shape=SIZE))
    (prediction,) = model.test_step(dict(inputs=[image], data_samples=[sample]))
    return prediction.seg_logits.data


def _likely_cause(method: BaseSegmentor) -> str:
    kind = type(method)
    left_out = {key.split('.')[0] for key in method.state_dict()} - {*PARTS}
    causes = []
    if kind.encode_decode is not EncoderDecoder.encode_decode:
        causes.append(f'{kind.__name__} overrides encode_decode')
    if left_out:
        causes.append(f'weights are left out: {", ".join(sorted(left_out))}')
    return ', '.join(causes) or f'{kind.__name__} overrides how it predicts'
