"""Predictions of a trained method, here and in plain MMSegmentation."""

from pathlib import Path

import torch
from mmengine.config import Config
from mmseg.apis import init_model

from cfcontra_mm.datasets.classes import CITYSCAPES_METAINFO
from cfcontra_mm.engine import domain_step
from cfcontra_mm.engine.export import export_checkpoint
from cfcontra_mm.methods import UDASegmentor

from .tiny import build_optimizer, predicted_logits, random_batch


def test_an_export_predicts_as_the_method(
    cfg: Config, model: UDASegmentor, tmp_path: Path
) -> None:
    domain_step(model, random_batch(0), build_optimizer(model, cfg))
    checkpoint = tmp_path / 'iter_1.pth'
    meta = dict(cfg=cfg.pretty_text, dataset_meta=CITYSCAPES_METAINFO)
    torch.save(dict(meta=meta, state_dict=model.state_dict()), checkpoint)
    config, weights = export_checkpoint(checkpoint, tmp_path / 'plain')
    plain = init_model(str(config), str(weights), device='cpu')
    assert type(plain).__module__.startswith('mmseg.')
    expected, found = predicted_logits(model), predicted_logits(plain)
    assert len(expected.unique()) > 100
    torch.testing.assert_close(
        found, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max())
    )


def test_training_and_prediction_use_the_same_logits(model: UDASegmentor) -> None:
    """In mode ``'tensor'`` mmseg returns the main head's scores instead."""
    model.eval()
    data = random_batch(2)
    images = model.data_preprocessor(data, training=True)['target']['inputs']
    with torch.no_grad():
        logits = model.logits(images)
        again = model(images, mode='logits')
    assert logits.shape == (len(images), model.num_classes, *images.shape[2:])
    assert torch.equal(logits, again)
