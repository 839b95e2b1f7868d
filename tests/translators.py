"""A tiny translator with random weights, and data for it."""

from pathlib import Path

import torch
from mmengine.registry import DefaultScope
from mmseg.registry import MODELS

import cfcontra_mm.models  # noqa: F401

MODEL = dict(
    type='AdaINStyleTransfer',
    encoder=dict(type='VGGEncoder', channels=(4, 8, 8, 8), convs=(2, 2, 4)),
    style_weight=1.0,
)


def write_checkpoint(path: Path, model: dict = MODEL) -> Path:
    """A checkpoint whose images vary, unlike those of small random weights."""
    with torch.random.fork_rng(), DefaultScope.overwrite_default_scope('mmseg'):
        torch.manual_seed(0)
        translator = MODELS.build(model)
        for module in translator.modules():
            if isinstance(module, torch.nn.Conv2d):
                torch.nn.init.kaiming_normal_(module.weight)
    torch.nn.init.constant_(translator.decoder[-1].bias, 0.5)
    torch.save(dict(state_dict=translator.state_dict(), meta={}), path)
    return path


def write_config(path: Path, toystreets: Path) -> Path:
    """A config of this translator for the ToyStreets pair."""
    source = dict(
        type='GTA5Dataset',
        data_root=str(toystreets / 'gta5'),
        data_prefix=dict(img_path='images'),
        pipeline=[],
    )
    target = dict(
        type='RawCityscapesDataset',
        data_root=str(toystreets / 'cityscapes'),
        data_prefix=dict(img_path='leftImg8bit/train'),
        pipeline=[],
    )
    dataset = dict(type='DomainDataset', source=source, target=target)
    path.write_text(
        "custom_imports = dict(imports=['cfcontra_mm'])\n"
        f'model = {MODEL}\n'
        f'train_dataloader = dict(dataset={dataset})\n'
    )
    return path
