"""Which values the settings may have: one table."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from .parts import Part


class Range(NamedTuple):
    """The values that a setting may have.

    Attributes:
        words: What they are, for the message.
        holds: Tells whether a value is one of them.
    """

    words: str
    holds: Callable[[Any], bool]


def is_integer(value: Any) -> bool:
    """Tell whether a value is an integer and not a Boolean."""
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return is_integer(value) or (isinstance(value, float) and not math.isnan(value))


def _integer(words: str, holds: Callable[[int], bool]) -> Range:
    return Range(words, lambda value: is_integer(value) and holds(value))


def _number(words: str, holds: Callable[[float], bool]) -> Range:
    return Range(words, lambda value: _is_number(value) and holds(value))


def _each(one: Range, words: str, lengths: Sequence[int] = ()) -> Range:
    """Return the range of a list of values."""

    def holds(values: Any) -> bool:
        is_list = isinstance(values, list | tuple) and len(values) > 0
        fits = is_list and (not lengths or len(values) in lengths)
        return fits and all(map(one.holds, values))

    return Range(words, holds)


def _are_groups(value: Any) -> bool:
    is_list = isinstance(value, list | tuple)
    return is_list and all(isinstance(inner, Mapping) for inner in value)


def _is_group(value: Any) -> bool:
    return isinstance(value, Mapping) or _are_groups(value)


def _either(one: Range, other: Range) -> Range:
    return Range(
        f'{one.words} or {other.words}', lambda v: one.holds(v) or other.holds(v)
    )


LARGEST = 1e9
"""Largest magnitude: products of a few stay in the range of 32-bit numbers."""

COUNT = _integer('a positive integer', lambda n: n > 0)
NATURAL = _integer('an integer of at least 0', lambda n: n >= 0)
SEED = _integer('an integer in 0-4294967295', lambda n: 0 <= n < 2**32)
COUNT_OR_NONE = _integer(
    'a positive integer, or -1 for none', lambda n: n > 0 or n == -1
)
LABEL = _integer('an integer in 0-255', lambda n: 0 <= n <= 255)
POSITIVE = _number('a positive number', lambda x: x > 0)
NOT_NEGATIVE = _number(
    f'a finite number of at least 0 and at most {LARGEST:g}',
    lambda x: 0 <= x <= LARGEST,
)
FACTOR_OF_LR = _number(
    f'a positive number of at most {LARGEST:g}', lambda x: 0 < x <= LARGEST
)
FINITE = _number(f'a finite number of at most {LARGEST:g}', lambda x: abs(x) <= LARGEST)
SHARE = _number('a number in 0-1', lambda x: 0 <= x <= 1)
BELOW_ONE = _number('a number of at least 0 and below 1', lambda x: 0 <= x < 1)
DROPOUT = _number('a number of at least 0 and below 1', lambda x: x == -1 or 0 <= x < 1)
ABOVE_ZERO = _number('a number above 0 and at most 1', lambda x: 0 < x <= 1)
SWITCH = Range('True or False', lambda value: isinstance(value, bool))
NUMBERS = _each(FINITE, 'a list of numbers')
COUNTS = _either(COUNT, _each(COUNT, 'a list of them'))
SIZE = _either(COUNT, _each(COUNT, 'a pair of them', [2]))
POSITIVE_PAIR = _each(POSITIVE, 'a pair of positive numbers', [2])
FACTOR = _either(POSITIVE, POSITIVE_PAIR)
BETAS = _each(BELOW_ONE, 'two numbers of at least 0 and below 1', [2])
SHARES = _either(SHARE, _each(SHARE, 'a list of them'))
GROUP = Range('a dict', lambda value: isinstance(value, Mapping))
GROUP_OR_NONE = Range('a dict or None', lambda v: isinstance(v, Mapping | None))
GROUPS = Range('a list of dicts', _are_groups)
TEXT = Range('a string', lambda value: isinstance(value, str))


def one_of(*values: str) -> Range:
    """Return the range of a setting with a few values."""
    return Range(f'one of {", ".join(values)}', lambda value: value in values)


OPTIONAL = (
    *('seed', 'prefetch_factor', 'class_weight', 'size', 'size_divisor'),
    *('out_channels', 'stride', 'crop_size', 'load_from', 'resource_limit', 'work_dir'),
    *('ignore_index', 'bgr_to_rgb'),
)
"""Settings that may also be ``None``, beside arguments that are so by default."""

RANGES = {
    # The loop, the loaders and the seed.
    'train_cfg.max_iters': COUNT,
    'train_cfg.max_epochs': COUNT,
    'train_cfg.val_interval': COUNT,
    'train_cfg.val_begin': NATURAL,
    '*_dataloader.batch_size': COUNT,
    '*_dataloader.num_workers': NATURAL,
    '*_dataloader.prefetch_factor': COUNT,
    '*_dataloader.timeout': NOT_NEGATIVE,
    '*_dataloader.persistent_workers': SWITCH,
    '*_dataloader.pin_memory': SWITCH,
    '*_dataloader.drop_last': SWITCH,
    '*_dataloader.num_batch_per_epoch': COUNT,
    '*.sampler.per_domain.*': COUNTS,
    'DomainSampler.num_batches': COUNT,
    'DomainSampler.seed': SEED,
    '*.shuffle': SWITCH,
    'randomness.seed': SEED,
    'randomness.deterministic': SWITCH,
    'randomness.diff_rank_seed': SWITCH,
    'env_cfg.cudnn_benchmark': SWITCH,
    'env_cfg.resource_limit': COUNT,
    'env_cfg.mp_cfg.mp_start_method': one_of('fork', 'spawn', 'forkserver'),
    'env_cfg.mp_cfg.opencv_num_threads': NATURAL,
    'env_cfg.dist_cfg.backend': TEXT,
    'auto_scale_lr.base_batch_size': COUNT,
    'auto_scale_lr.enable': SWITCH,
    'LogProcessor.window_size': COUNT,
    'LogProcessor.by_epoch': SWITCH,
    # Hooks.
    'CheckpointHook.interval': COUNT_OR_NONE,
    'CheckpointHook.max_keep_ckpts': COUNT_OR_NONE,
    'CheckpointHook.save_begin': NATURAL,
    'CheckpointHook.by_epoch': SWITCH,
    'CheckpointHook.save_optimizer': SWITCH,
    'CheckpointHook.save_last': SWITCH,
    'LoggerHook.interval': COUNT,
    'SegVisualizationHook.interval': COUNT,
    'SegVisualizationHook.draw': SWITCH,
    'FiniteLossHook.interval': COUNT,
    'LossSharesHook.interval': COUNT,
    'MemoryBankHook.max_images': COUNT,
    'StatisticsHook.statistics': one_of('target', 'running'),
    'StatisticsHook.num_images': COUNT,
    'StatisticsHook.compare': SWITCH,
    'StyleSheetHook.num_rows': COUNT,
    'EMAHook.momentum': ABOVE_ZERO,
    'EMAHook.begin_iter': NATURAL,
    'EarlyStoppingHook.patience': COUNT,
    'EarlyStoppingHook.min_delta': NOT_NEGATIVE,
    # Optimisers and schedules.
    'Optimizer.lr': NOT_NEGATIVE,
    'Optimizer.momentum': BELOW_ONE,
    'Optimizer.dampening': SHARE,
    'Optimizer.nesterov': SWITCH,
    'Optimizer.weight_decay': NOT_NEGATIVE,
    'Optimizer.betas': BETAS,
    'Optimizer.eps': NOT_NEGATIVE,
    'Optimizer.alpha': SHARE,
    '*.clip_grad.max_norm': POSITIVE,
    '*.clip_grad.norm_type': POSITIVE,
    '*.clip_grad.clip_value': POSITIVE,
    'OptimWrapper.accumulative_counts': COUNT,
    '*.lr_mult': NOT_NEGATIVE,
    '*.decay_mult': NOT_NEGATIVE,
    '*paramwise_cfg.*_mult': NOT_NEGATIVE,
    '*paramwise_cfg.bypass_duplicate': SWITCH,
    '_ParamScheduler.begin': NATURAL,
    '_ParamScheduler.end': COUNT,
    '_ParamScheduler.by_epoch': SWITCH,
    '_ParamScheduler.power': FACTOR_OF_LR,
    '_ParamScheduler.eta_min': NOT_NEGATIVE,
    '_ParamScheduler.gamma': FACTOR_OF_LR,
    '_ParamScheduler.factor': FACTOR_OF_LR,
    '_ParamScheduler.decay': NOT_NEGATIVE,
    '_ParamScheduler.start_factor': ABOVE_ZERO,
    '_ParamScheduler.end_factor': SHARE,
    '_ParamScheduler.T_max': COUNT,
    '_ParamScheduler.step_size': COUNT,
    '_ParamScheduler.milestones': _each(COUNT, 'a list of positive integers'),
    # Networks.
    'EncoderDecoder.backbone': GROUP,
    'EncoderDecoder.decode_head': Range('a dict or a list of dicts', _is_group),
    '*.num_classes': COUNT,
    '*.in_channels': COUNTS,
    '*.channels': COUNTS,
    '*.out_channels': COUNTS,
    '*.dropout_ratio': DROPOUT,
    '*.drop_path_rate': BELOW_ONE,
    '*.drop_rate': BELOW_ONE,
    '*.align_corners': SWITCH,
    '*.norm_eval': SWITCH,
    '*.frozen': SWITCH,
    '*.ignore_index': _integer('an integer', lambda n: True),
    'DLV2Head.dilations': _each(COUNT, 'a list of positive integers'),
    'DLV2Head.classifiers': COUNT,
    'VGGEncoder.convs': _each(COUNT, 'a list of positive integers'),
    'ProjectionHead.structure': TEXT,
    'BaseDataPreprocessor.mean': NUMBERS,
    'BaseDataPreprocessor.std': _each(POSITIVE, 'a list of positive numbers'),
    'BaseDataPreprocessor.size_divisor': COUNT,
    'BaseDataPreprocessor.size': SIZE,
    'BaseDataPreprocessor.seg_pad_val': LABEL,
    'BaseDataPreprocessor.bgr_to_rgb': SWITCH,
    '*.data_preprocessor.test_cfg.size_divisor': COUNT,
    'model.test_cfg.mode': one_of('whole', 'slide', 'slide_flip'),
    'model.test_cfg.crop_size': SIZE,
    'model.test_cfg.stride': SIZE,
    # Losses and methods.
    '*.loss_weight': NOT_NEGATIVE,
    '*.class_weight': _each(NOT_NEGATIVE, 'a list of numbers of at least 0'),
    '*.avg_non_ignore': SWITCH,
    '*.temperature': POSITIVE,
    '*.include_positive': SWITCH,
    '*.contrast_weight': NOT_NEGATIVE,
    '*.adversarial_weight': NOT_NEGATIVE,
    '*.divergence_weight': NOT_NEGATIVE,
    '*.adversarial_weights.*': NOT_NEGATIVE,
    '*.entropy_weights.*': NOT_NEGATIVE,
    'CFContra.threshold': NOT_NEGATIVE,
    'DACS.threshold': SHARE,
    'EncoderDecoder.momentum': SHARE,
    'CFContra.terms': one_of('all', 'intra'),
    'CFContra.pseudo_labels': one_of('centers', 'classifier', 'agree'),
    'CFContra.start': SHARE,
    'CFContra.label_grid': one_of('corners', 'truncated'),
    'CFContra.normalize_distance': SWITCH,
    'CFContra.cross_update': SWITCH,
    'CLAN.local_weight': NOT_NEGATIVE,
    'CLAN.epsilon': NOT_NEGATIVE,
    'CLAN.warm_up': SHARE,
    'CLAN.focal_gamma': NOT_NEGATIVE,
    'AdaINStyleTransfer.style_weight': NOT_NEGATIVE,
    'AdaINStyleTransfer.identity_weight': NOT_NEGATIVE,
    # Images and labels.
    'PairedFiles.every': COUNT,
    'Resize.scale': SIZE,
    'Resize.scale_factor': FACTOR,
    'RandomResize.scale': SIZE,
    'RandomResize.ratio_range': POSITIVE_PAIR,
    'RandomCrop.crop_size': SIZE,
    'RandomCrop.cat_max_ratio': ABOVE_ZERO,
    'Pad.size': SIZE,
    'BaseTransform.prob': SHARES,
    'AdaINStylize.alpha': SHARE,
    'AdaINStylize.style_scale': SIZE,
    'MapLabels.size_tolerance': NOT_NEGATIVE,
    'PhotoMetricDistortion.brightness_delta': NOT_NEGATIVE,
    'PhotoMetricDistortion.hue_delta': NOT_NEGATIVE,
    'PhotoMetricDistortion.contrast_range': POSITIVE_PAIR,
    'PhotoMetricDistortion.saturation_range': POSITIVE_PAIR,
    'folders.size': _each(COUNT, 'width,height in pixels', [2]),
    # The groups themselves.
    **dict.fromkeys(
        ('model', 'randomness', 'env_cfg', 'folders', 'data_preprocessor'), GROUP
    ),
    **dict.fromkeys(
        (
            *('train_dataloader', 'val_dataloader', 'test_dataloader', 'train_cfg'),
            *('val_cfg', 'test_cfg', 'optim_wrapper', 'default_hooks', 'visualizer'),
            *('default_hooks.*', 'log_processor', 'tta_model', 'custom_imports'),
        ),
        GROUP_OR_NONE,
    ),
    **dict.fromkeys(('custom_hooks', '*.pipeline', 'test_pipeline'), GROUPS),
    **dict.fromkeys(
        ('val_evaluator', 'test_evaluator', 'param_scheduler', 'tta_pipeline'),
        Range('a dict, a list of dicts or None', lambda v: v is None or _is_group(v)),
    ),
    # Settings of the files themselves.
    'center_images': COUNT,
    'stylising_workers': NATURAL,
    'iterations': COUNT,
    'resume': SWITCH,
    'load_from': TEXT,
    'work_dir': TEXT,
    'log_level': one_of('DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL', 'NOTSET'),
    'launcher': one_of('none', 'pytorch', 'slurm', 'mpi'),
}
"""Ranges by CLASS.ARGUMENT, where the bases of a class count too, or by dotted key."""

_BY_NAME: dict[str, list[str]] = {}
for _pattern in RANGES:
    _BY_NAME.setdefault(_pattern.rpartition('.')[2], []).append(_pattern)
_WILD = [pattern for pattern in RANGES if '*' in pattern.rpartition('.')[2]]


def range_of(part: Part, key: str) -> Range | None:
    """Return the range of a setting, ``None`` if it has none or holds ``None`` rightly.

    Args:
        part: The part that it belongs to.
        key: Its key in the part.
    """
    if part.node[key] is None and key in (*OPTIONAL, *part.accepted.optional):
        return None
    place = '.'.join(part.path)
    for pattern in (*_BY_NAME.get(key, ()), *_WILD):
        owner, _, name = pattern.rpartition('.')
        owned = owner in part.names or fnmatchcase(place, owner)
        if owned and fnmatchcase(key, name):
            return RANGES[pattern]
    return None
