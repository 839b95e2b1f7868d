import copy

import pytest
import torch
from helpers import CONFIGS, TOYSTREETS, build_method, method_folders, tiny_config
from mmengine.config import Config
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from cfcontra_mm.config_file import open_config
from cfcontra_mm.errors import InputError
from cfcontra_mm.models.export import (
    config_text,
    plain_config,
    plain_pipeline,
    plain_weights,
)

NETWORKS = sorted(path.stem for path in CONFIGS.glob('_base_/networks/*.py'))


def network_config(network):
    """A method's config on a network, from random weights."""
    cfg = open_config(CONFIGS / 'minent' / TOYSTREETS, network=network)
    cfg.model.backbone.weights = None
    return cfg


@pytest.mark.parametrize('folder', method_folders())
def test_plain_model_gives_the_same_logits(folder):
    check_plain_model(tiny_config(folder))


@pytest.mark.parametrize('network', NETWORKS)
def test_plain_model_of_every_network_gives_the_same_logits(network):
    check_plain_model(network_config(network))


def check_plain_model(cfg):
    method = build_method(cfg.model).eval()
    for module in method.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()
    plain = plain_config(cfg).model
    assert plain.type == 'EncoderDecoder'
    # The exported config brings its own; here the plugin's is registered.
    model = MODELS.build(copy.deepcopy(plain)).eval()
    weights = plain_weights(cfg.model, method.state_dict())
    model.load_state_dict(weights, strict=True)
    images = [torch.randint(0, 256, (3, 33, 57), dtype=torch.uint8) for _ in range(2)]
    meta = dict(ori_shape=(70, 110), img_shape=(33, 57))
    samples = [SegDataSample(metainfo=meta) for _ in images]
    data = dict(inputs=images, data_samples=samples)
    with torch.no_grad():
        ours = method.test_step(copy.deepcopy(data))
        theirs = model.test_step(copy.deepcopy(data))
    for one, two in zip(ours, theirs, strict=True):
        assert one.seg_logits.data.std() > 0.1
        torch.testing.assert_close(
            one.seg_logits.data, two.seg_logits.data, atol=1e-5, rtol=1e-4
        )


def test_text_is_a_config(tmp_path):
    plain = plain_config(tiny_config('cfcontra'))
    path = tmp_path / 'model.py'
    path.write_text(config_text(plain))
    ours = MODELS.module_dict['DeepLabResNet']
    try:
        read = Config.fromfile(path)
        theirs = MODELS.build(copy.deepcopy(read.model.backbone))
        assert theirs.maxpool.ceil_mode
        assert type(theirs).__module__.startswith('mmseg.')
    finally:
        MODELS.register_module(name='DeepLabResNet', module=ours, force=True)
    assert read.to_dict() == plain.to_dict()


def test_pipeline_reads_no_labels():
    cfg = Config(
        dict(
            test_pipeline=[
                dict(type='LoadImage'),
                dict(type='Resize', scale=(64, 32)),
                dict(type='LoadLabels'),
                dict(type='MapLabels', table='cityscapes'),
                dict(type='PackSegInputs'),
            ]
        )
    )
    steps = [step['type'] for step in plain_pipeline(cfg)]
    assert steps == ['LoadImageFromFile', 'Resize', 'PackSegInputs']
    assert cfg.test_pipeline[0].type == 'LoadImage'
    with pytest.raises(InputError, match='test_pipeline'):
        plain_pipeline(Config())


def test_foreign_part_is_refused():
    cfg = tiny_config('cfcontra')
    cfg.model.auxiliary_head = dict(type='ProjectionHead', in_channels=4)
    with pytest.raises(InputError, match='ProjectionHead has no counterpart'):
        plain_config(cfg)
