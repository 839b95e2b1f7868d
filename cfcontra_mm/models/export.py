"""Convert a method's model to MMSegmentation's own parts."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from copy import deepcopy

import torch
from mmengine.config import Config
from mmengine.registry import Registry
from mmseg.registry import MODELS, TRANSFORMS
from torch import Tensor

from cfcontra_mm.errors import InputError

from .dlv2_head import DLV2Head
from .parts import PARTS

TRAINING_KEYS = ('init_cfg', 'weights', 'loss_decode', 'sampler')
"""Settings of a part that do not change the predictions of a trained one."""

LABEL_TRANSFORMS = ('LoadAnnotations', 'LoadLabels', 'LoadSYNTHIALabels', 'MapLabels')

STOCK_BACKBONES: dict[str, dict] = dict(
    MiT=dict(type='MixVisionTransformer'),
    TimmFeatures=dict(type='TIMMBackbone', pretrained=False),
)
"""Backbones of this package, which differ from mmseg's in their initial weights."""

STOCK = ('mmseg', 'mmcv', 'mmengine', 'torch')

# With an import statement MMEngine would read the config as one of its new style.
BACKBONE_CODE = '''\
import importlib


def deeplab_resnet(**kwargs):
    """MMSegmentation's ResNet with the ceil-mode max-pooling of DeepLabV2."""
    backbone = importlib.import_module('mmseg.models').ResNet(**kwargs)
    pooling = importlib.import_module('torch.nn').MaxPool2d
    backbone.maxpool = pooling(3, stride=2, padding=1, ceil_mode=True)
    return backbone


# A package that has registered the name brings the same pooling.
if importlib.import_module('mmseg.registry').MODELS.get('DeepLabResNet') is None:
    importlib.import_module('mmseg.registry').MODELS.register_module(
        name='DeepLabResNet', module=deeplab_resnet
    )
'''


def plain_config(cfg: Config, state_dict: Mapping[str, Tensor]) -> Config:
    """Return the config of an ``EncoderDecoder`` that predicts as a method's model.

    Args:
        cfg: Config of a run, with ``model`` and ``test_pipeline``.
        state_dict: Weights of its model, which may have a second classifier that the
            config does not mention.

    Returns:
        Config of ``model``, ``test_pipeline`` and ``default_scope``.

    Raises:
        InputError: The model is not a segmentor, or a part has no counterpart in
            MMSegmentation.
    """
    source = deepcopy(cfg.model.to_dict())
    if 'decode_head' not in source:
        raise InputError(f'{source["type"]} is not a segmentor and cannot be exported')
    model = dict(
        type='EncoderDecoder',
        data_preprocessor=dict(source['data_preprocessor'], type='SegDataPreProcessor'),
        test_cfg=source.get('test_cfg', dict(mode='whole')),
    )
    for name in PARTS:
        if source.get(name) is not None:
            model[name] = _plain_part(source[name], _part(name, state_dict))
    pipeline = plain_pipeline(cfg)
    _check_stock(model, MODELS)
    _check_stock(pipeline, TRANSFORMS)
    return Config(dict(default_scope='mmseg', model=model, test_pipeline=pipeline))


def config_text(cfg: Config) -> str:
    """Return the text of the file of a plain config."""
    own_backbone = cfg.model.backbone.type == 'DeepLabResNet'
    return f'{BACKBONE_CODE}\n' * own_backbone + cfg.pretty_text


def plain_pipeline(cfg: Config) -> list[dict]:
    """Return a config's test pipeline for images without labels.

    Raises:
        InputError: The config has no test pipeline.
    """
    if cfg.get('test_pipeline') is None:
        raise InputError('the config sets no test_pipeline; add it at the top level')
    steps = [dict(step) for step in cfg.test_pipeline]
    for step in steps:
        if step['type'] == 'LoadImage':
            step['type'] = 'LoadImageFromFile'
    return [step for step in steps if step['type'] not in LABEL_TRANSFORMS]


def plain_weights(model: dict, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a method's weights by the names of its plain model.

    Weights that only the training uses are dropped.

    Args:
        model: Config of the method's model.
        state_dict: Its weights.
    """
    plain: dict[str, Tensor] = {}
    for name in PARTS:
        part = _part(name, state_dict)
        if part and model[name]['type'] == 'DLV2Head':
            part = _aspp_weights(part)
        part = _one_classifier(part)
        plain |= {f'{name}.{key}': value for key, value in part.items()}
    return plain


def _part(name: str, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of a part of a segmentor, by the part's own names."""
    prefix = f'{name}.'
    return {
        key.removeprefix(prefix): value
        for key, value in state_dict.items()
        if key.startswith(prefix)
    }


def _plain_part(part: dict, weights: Mapping[str, Tensor]) -> dict:
    plain = {key: value for key, value in part.items() if key not in TRAINING_KEYS}
    plain |= STOCK_BACKBONES.get(part['type'], {})
    if part['type'] != 'DLV2Head':
        return plain
    default = inspect.signature(DLV2Head).parameters['dilations'].default
    dilations = plain.get('dilations', default)
    plain.pop('classifiers', None)
    return plain | dict(
        type='ASPPHead',
        dilations=dilations * (_branches(weights) // len(dilations)),
        channels=part['num_classes'],
        norm_cfg=None,
        act_cfg=None,
        dropout_ratio=0,
    )


def _branches(head: Mapping[str, Tensor]) -> int:
    """Count the convolutions of a ``DLV2Head``, over all its classifiers."""
    return sum(key.startswith('convs.') and key.endswith('.weight') for key in head)


def _one_classifier(part: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a part's weights, with a ``TwinClassifier`` summed into one layer."""
    plain = dict(part)
    for first in part:
        second = first.replace('conv_seg.0.', 'conv_seg.1.')
        if second != first and second in part:
            summed = plain.pop(first) + plain.pop(second)
            plain[first.replace('conv_seg.0.', 'conv_seg.')] = summed
    return plain


def _aspp_weights(head: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights with which mmseg's ``ASPPHead`` computes a ``DLV2Head``.

    The input of its bottleneck is the pooled branch and then the dilated ones. The
    bottleneck sums the dilated branches class by class; the pooled branch is zero, and
    the classifier is the identity.
    """
    branches = _branches(head)
    classes, channels = head['convs.0.weight'].shape[:2]
    identity = torch.eye(classes)
    bottleneck = torch.zeros(classes, (branches + 1) * classes, 3, 3)
    bottleneck[:, classes:, 1, 1] = identity.repeat(1, branches)
    aspp = {
        f'aspp_modules.{i}.conv.{kind}': head[f'convs.{i}.{kind}']
        for i in range(branches)
        for kind in ('weight', 'bias')
    }
    return aspp | {
        'image_pool.1.conv.weight': torch.zeros(classes, channels, 1, 1),
        'image_pool.1.conv.bias': torch.zeros(classes),
        'bottleneck.conv.weight': bottleneck,
        'bottleneck.conv.bias': torch.zeros(classes),
        'conv_seg.weight': identity[..., None, None],
        'conv_seg.bias': torch.zeros(classes),
    }


def _check_stock(node: object, registry: Registry) -> None:
    for kind in _types(node):
        if kind == 'DeepLabResNet':
            continue
        found = registry.get(kind)
        if found is not None and found.__module__.split('.')[0] not in STOCK:
            raise InputError(
                f'{kind} has no counterpart in MMSegmentation; this model cannot be '
                'exported'
            )


def _types(node: object) -> Iterator[str]:
    """Yield every ``type`` in nested dicts and lists."""
    if isinstance(node, dict):
        if isinstance(node.get('type'), str):
            yield node['type']
        node = list(node.values())
    if isinstance(node, list | tuple):
        for child in node:
            yield from _types(child)
