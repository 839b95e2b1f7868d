"""The exported model is the trained one, or there is none."""

import contextlib
import copy
import itertools
import runpy
import sys

import pytest
import torch
from helpers import (
    CONFIGS,
    narrow_discriminators,
    tiny_config,
)
from mmengine.config import Config
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import nn

from cfcontra_mm.engine import export
from cfcontra_mm.engine.export import export_checkpoint
from cfcontra_mm.errors import InputError
from cfcontra_mm.methods import SourceOnly
from cfcontra_mm.models.export import plain_config, plain_pipeline
from cfcontra_mm.models.parts import PARTS

TOOL = CONFIGS.parent / 'tools' / 'export.py'
WIDTHS = [8, 16, 40, 64]
SEGFORMER = dict(
    backbone=dict(
        type='MixVisionTransformer',
        embed_dims=8,
        num_layers=[1, 1, 1, 1],
        num_heads=[1, 2, 5, 8],
        sr_ratios=[8, 4, 2, 1],
        drop_path_rate=0.1,
    ),
    decode_head=dict(
        type='SegformerHead',
        in_channels=WIDTHS,
        in_index=[0, 1, 2, 3],
        channels=16,
        dropout_ratio=0.1,
        num_classes=19,
        norm_cfg=dict(type='BN'),
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', loss_weight=1.0),
    ),
    auxiliary_head=None,
)
WITH_NECK = copy.deepcopy(SEGFORMER) | dict(
    neck=dict(type='FPN', in_channels=WIDTHS, out_channels=16, num_outs=4)
)
WITH_NECK['decode_head']['in_channels'] = [16] * 4
NETWORKS = dict(deeplab={}, segformer=SEGFORMER, neck=WITH_NECK)


def config(folder, network='deeplab'):
    cfg = tiny_config(folder)
    for part, settings in copy.deepcopy(NETWORKS[network]).items():
        cfg.model[part] = settings
    return cfg


def trained(cfg):
    """A method whose running statistics are not those of a fresh one."""
    torch.manual_seed(0)
    with narrow_discriminators():
        method = MODELS.build(copy.deepcopy(cfg.model)).eval()
    method.init_weights()
    for module in method.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
    return method


def saved(cfg, method, folder):
    """Its checkpoint, as a training leaves it."""
    path = folder / 'trained.pth'
    colours = [[n, n, n] for n in range(19)]
    meta = dict(
        cfg=cfg.pretty_text,
        dataset_meta=dict(classes=[f'c{n}' for n in range(19)], palette=colours),
    )
    torch.save(dict(meta=meta, state_dict=method.state_dict()), path)
    return path


def exported(cfg, method, folder):
    with narrow_discriminators():
        return export_checkpoint(saved(cfg, method, folder), folder / 'out')


@contextlib.contextmanager
def plain_backbone(config):
    """The exported config where only it brings the backbone, not this package."""
    ours = MODELS.module_dict.pop('DeepLabResNet')
    try:
        yield Config.fromfile(config)
    finally:
        MODELS.register_module(name='DeepLabResNet', module=ours, force=True)


def logits(model):
    generator = torch.Generator().manual_seed(3)
    images = torch.randint(
        0, 256, (2, 3, 33, 57), generator=generator, dtype=torch.uint8
    )
    meta = dict(ori_shape=(70, 110), img_shape=(33, 57))
    samples = [SegDataSample(metainfo=meta) for _ in images]
    data = dict(inputs=list(images), data_samples=samples)
    with torch.no_grad():
        results = model.test_step(data)
    return torch.stack([result.seg_logits.data for result in results])


@pytest.mark.parametrize(
    ('folder', 'network'),
    [
        *itertools.product(('source_only', 'clan', 'dacs'), ('deeplab', 'segformer')),
        ('source_only', 'neck'),
    ],
)
def test_files_give_the_same_logits(folder, network, tmp_path):
    cfg = config(folder, network)
    method = trained(cfg)
    files = exported(cfg, method, tmp_path)
    weights = torch.load(files[1], weights_only=True)
    with plain_backbone(files[0]) as plain:
        assert plain.model.type == 'EncoderDecoder'
        model = MODELS.build(plain.model).eval()
    parts = {type(module).__module__.split('.')[0] for module in model.modules()}
    assert 'cfcontra_mm' not in parts
    model.load_state_dict(weights['state_dict'], strict=True)
    assert {key.split('.')[0] for key in weights['state_dict']} <= {*PARTS}
    ours, theirs = logits(method), logits(model)
    assert ours.std() > 1e-3
    scale = ours.abs().max().item()
    torch.testing.assert_close(theirs / scale, ours / scale, atol=1e-5, rtol=0)


def test_files_hold_the_pooling_and_the_classes(tmp_path):
    cfg = config('source_only')
    files = exported(cfg, trained(cfg), tmp_path)
    with plain_backbone(files[0]) as plain:
        assert MODELS.build(plain.model.backbone).maxpool.ceil_mode
    assert plain.to_dict() == plain_config(cfg, trained(cfg).state_dict()).to_dict()
    meta = torch.load(files[1], weights_only=True)['meta']
    assert meta['dataset_meta']['classes'][18] == 'c18'
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == [
        'model.pth',
        'model.py',
    ]


def test_the_second_classifier_counts(tmp_path):
    for network in ('deeplab', 'segformer'):
        cfg = config('clan', network)
        method = trained(cfg)
        exported(cfg, method, tmp_path)
        before = logits(method)
        with torch.no_grad():
            for name, parameter in method.decode_head.named_parameters():
                if name.startswith(('convs.7', 'conv_seg.1')):
                    parameter.add_(1)
        assert not torch.equal(logits(method), before)
        exported(cfg, method, tmp_path)


def test_a_config_that_still_names_two_classifiers(tmp_path):
    cfg = config('clan')
    now = exported(cfg, trained(cfg), tmp_path)[1].read_bytes()
    cfg.model.decode_head.classifiers = 2
    assert exported(cfg, trained(cfg), tmp_path)[1].read_bytes() == now


def test_losses_of_a_head_are_left_out(tmp_path):
    cfg = config('source_only', 'segformer')
    cfg.model.decode_head.loss_decode = [
        dict(type='CrossEntropyLoss'),
        dict(type='EntropyLoss', loss_weight=0.1),
    ]
    files = exported(cfg, trained(cfg), tmp_path)
    assert 'Entropy' not in files[0].read_text()


class Prior(SourceOnly):
    """Predicts with a weight of its own."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.prior = nn.Parameter(torch.linspace(0, 1, 19).view(19, 1, 1))

    def encode_decode(self, inputs, batch_img_metas):
        return super().encode_decode(inputs, batch_img_metas) + self.prior


class DeepHead(SourceOnly):
    """Puts a layer into its head."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.decode_head.conv_seg = nn.Sequential(
            nn.Conv2d(16, 16, 1), nn.ReLU(), nn.Conv2d(16, 19, 1)
        )


@pytest.fixture(autouse=True)
def _methods(monkeypatch):
    for kind in (Prior, DeepHead):
        monkeypatch.setitem(MODELS._module_dict, kind.__name__, kind)


def refused(cfg, folder, monkeypatch, capsys):
    """What the tool says of a checkpoint that it refuses."""
    path = saved(cfg, trained(cfg), folder)
    out = folder / 'out'
    monkeypatch.setattr(sys, 'argv', ['export.py', str(path), '--out', str(out)])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(TOOL), run_name='__main__')
    assert ended.value.code == 2
    assert not list(out.glob('*'))
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith(f'error: {path}: ')
    return said


def test_weights_of_its_own_in_the_prediction_are_refused(
    tmp_path, monkeypatch, capsys
):
    cfg = config('source_only', 'segformer')
    cfg.model.type = 'Prior'
    said = refused(cfg, tmp_path, monkeypatch, capsys)
    assert 'Prior overrides encode_decode' in said
    assert 'weights are left out: prior' in said


def test_a_changed_part_is_refused(tmp_path, monkeypatch, capsys):
    cfg = config('source_only', 'segformer')
    cfg.model.type = 'DeepHead'
    said = refused(cfg, tmp_path, monkeypatch, capsys)
    assert 'decode_head.conv_seg' in said


def test_a_refused_export_leaves_an_earlier_one(tmp_path, monkeypatch, capsys):
    cfg = config('source_only', 'segformer')
    files = exported(cfg, trained(cfg), tmp_path)
    before = [path.read_bytes() for path in files]
    cfg.model.type = 'Prior'
    with pytest.raises(InputError):
        exported(cfg, trained(cfg), tmp_path)
    assert [path.read_bytes() for path in files] == before


def test_a_small_difference_is_found(tmp_path, monkeypatch):
    def nearly(model, state_dict):
        weights = plain_weights(model, state_dict)
        key = 'decode_head.bottleneck.conv.bias'
        return weights | {key: weights[key] + 1e-3 * scale}

    cfg, plain_weights = config('source_only'), export.plain_weights
    scale = logits(trained(cfg)).abs().max()
    monkeypatch.setattr(export, 'plain_weights', nearly)
    with pytest.raises(InputError, match='SourceOnly overrides how it predicts'):
        exported(cfg, trained(cfg), tmp_path)


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
        plain_config(cfg, {'decode_head.convs.0.weight': torch.zeros(1)})


def test_a_translator_is_refused():
    cfg = Config.fromfile(CONFIGS / 'adain' / 'adain_toystreets.py')
    with pytest.raises(InputError, match='AdaINStyleTransfer is not a segmentor'):
        plain_config(cfg, {})
