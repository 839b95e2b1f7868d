"""The parts of a config, and which keys those that read them accept."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any, NamedTuple

from mmengine import registry
from mmengine.dist import init_dist
from mmengine.registry import Registry
from mmengine.runner import Runner
from mmengine.utils import import_modules_from_strings
from mmengine.utils.dl_utils import set_multi_processing
from mmseg import registry as mmseg_registry
from torch.nn.utils import clip_grad_norm_, clip_grad_value_
from torch.utils.data import DataLoader

from .arguments import ANYTHING, Arguments, arguments_of

FOLDERS = (
    *('classes', 'source_images', 'source_labels', 'target_images'),
    *('target_labels', 'val_images', 'val_labels', 'size'),
)

NETWORK_PARTS = (
    *('data_preprocessor', 'backbone', 'neck', 'decode_head', 'auxiliary_head'),
    *('train_cfg', 'test_cfg', 'pretrained', 'init_cfg'),
)
"""Keys of a config's ``model`` that belong to the network, not to the method."""

RUNNER = arguments_of(Runner).names
READ = (
    *('model_wrapper_cfg', 'sync_bn', 'find_unused_parameters', 'compile'),
    *('activation_checkpointing', 'efficient_conv_bn_eval', 'custom_imports'),
    *('test_pipeline', 'tta_pipeline', 'tta_model', 'folders', 'runner_type'),
)
"""What is read of a config beside the arguments of the ``Runner``."""

TOP = frozenset({*RUNNER, *READ} - {'cfg'})
"""All that is read of a config; other names are variables of its files."""

REGISTRIES: dict[str, Registry] = {
    **dict.fromkeys(('model', 'data_preprocessor', 'tta_model'), mmseg_registry.MODELS),
    **dict.fromkeys(('dataset', 'datasets'), mmseg_registry.DATASETS),
    **dict.fromkeys(('sampler', 'batch_sampler'), mmseg_registry.DATA_SAMPLERS),
    **dict.fromkeys(
        ('pipeline', 'test_pipeline', 'tta_pipeline'), mmseg_registry.TRANSFORMS
    ),
    **dict.fromkeys(('train_cfg', 'val_cfg', 'test_cfg'), mmseg_registry.LOOPS),
    **dict.fromkeys(('val_evaluator', 'test_evaluator'), mmseg_registry.METRICS),
    **dict.fromkeys(('default_hooks', 'custom_hooks'), mmseg_registry.HOOKS),
    'optim_wrapper': mmseg_registry.OPTIM_WRAPPERS,
    'optimizer': mmseg_registry.OPTIMIZERS,
    'init_cfg': mmseg_registry.WEIGHT_INITIALIZERS,
    'param_scheduler': mmseg_registry.PARAM_SCHEDULERS,
    'visualizer': mmseg_registry.VISUALIZERS,
    'vis_backends': mmseg_registry.VISBACKENDS,
    'log_processor': registry.LOG_PROCESSORS,
    'model_wrapper_cfg': registry.MODEL_WRAPPERS,
}
"""Where the types below a key are registered."""

TYPES = {
    'optim_wrapper': 'OptimWrapper',
    'optim_wrapper/discriminator': 'OptimWrapper',
    'val_cfg': 'ValLoop',
    'test_cfg': 'TestLoop',
    'log_processor': 'LogProcessor',
    'visualizer': 'Visualizer',
}
"""Types that MMEngine takes where none is given."""

ALWAYS = frozenset({'type', '_scope_', '_delete_'})
LOADER = arguments_of(DataLoader).names | {
    'num_batch_per_epoch',
    'disable_subprocess_warning',
}
PARAMWISE = frozenset(
    {
        *('custom_keys', 'bypass_duplicate', 'bias_lr_mult', 'bias_decay_mult'),
        *('norm_decay_mult', 'dwconv_decay_mult', 'flat_decay_mult'),
        'dcn_offset_lr_mult',
    }
)
INFERENCE = frozenset({'mode', 'stride', 'crop_size'})
PREFIXES = frozenset({'img_path', 'img_path2', 'seg_map_path', 'depth_map_path'})
CLIP = arguments_of(clip_grad_norm_).names | arguments_of(clip_grad_value_).names

UNTYPED: dict[str, Arguments] = {
    '*_dataloader': Arguments(LOADER),
    'randomness': arguments_of(Runner.set_randomness),
    'env_cfg': Arguments(
        frozenset({'cudnn_benchmark', 'mp_cfg', 'dist_cfg', 'resource_limit'})
    ),
    'env_cfg/mp_cfg': arguments_of(set_multi_processing),
    'env_cfg/dist_cfg': arguments_of(init_dist)._replace(others=True),
    'folders': Arguments(frozenset(FOLDERS)),
    'custom_imports': arguments_of(import_modules_from_strings),
    'auto_scale_lr': Arguments(frozenset({'enable', 'base_batch_size'})),
    'model/test_cfg': Arguments(INFERENCE, others=True),
    '*/paramwise_cfg': Arguments(PARAMWISE),
    '*/custom_keys/*': Arguments(frozenset({'lr_mult', 'decay_mult'})),
    '*/custom_keys': ANYTHING,
    '*/clip_grad': Arguments(CLIP),
    '*/data_prefix': Arguments(PREFIXES, others=True),
}
"""What the parts without a type accept, by their places."""

MORE = {
    'default_hooks/*': {'priority'},
    'custom_hooks/*': {'priority'},
    'param_scheduler/*': {'convert_to_iter_based', 'begin', 'end', 'by_epoch'},
    'param_scheduler': {'convert_to_iter_based', 'begin', 'end', 'by_epoch'},
    'optim_wrapper': {'optimizer', 'paramwise_cfg', 'constructor'},
    'optim_wrapper/discriminator': {'optimizer', 'paramwise_cfg', 'constructor'},
    'train_cfg': {'by_epoch'},
    '*/norm_cfg': {'requires_grad'},
}
"""Keys that are taken out before a part is built, by its place."""

CONSTRUCTORS = {
    'DefaultOptimWrapperConstructor': frozenset[str](),
    'JointOptimWrapperConstructor': frozenset({'discriminator'}),
}
"""Groups of parameters that the constructors of optimisers know."""


class Part(NamedTuple):
    """A dict of a config and what reads it.

    Attributes:
        path: Keys that lead to it.
        node: The dict.
        kind: The class or function of its ``type``, if that is known.
        accepted: The keys that are read.
        types: The registry of its ``type``; ``None`` if there is none.
    """

    path: tuple[str, ...]
    node: Mapping[str, Any]
    kind: Any
    accepted: Arguments
    types: Registry | None

    def dotted(self, key: str) -> str:
        """Return the dotted key of a setting of the part."""
        return '.'.join((*self.path, key))

    @property
    def names(self) -> list[str]:
        """Names of the class and its bases."""
        classes = inspect.getmro(self.kind) if inspect.isclass(self.kind) else ()
        return [base.__name__ for base in classes]


def parts_of(config: Mapping[str, Any]) -> Iterator[Part]:
    """Yield the parts of a config that are read, each before those in it."""
    for key in sorted(TOP):
        if (value := config.get(key)) is not None:
            yield from _parts((key,), value, REGISTRIES.get(key))


def _parts(
    path: tuple[str, ...],
    value: Any,
    types: Registry | None,
    parent: Mapping[str, Any] = MappingProxyType({}),
) -> Iterator[Part]:
    if isinstance(value, Mapping):
        yield _part(path, value, types, parent)
        parent, children = value, list(value.items())
    elif isinstance(value, list | tuple):
        children = [(str(index), child) for index, child in enumerate(value)]
    else:
        return
    for key, child in children:
        inner = REGISTRIES.get(key, types)
        yield from _parts((*path, str(key)), child, inner, parent)


def _part(
    path: tuple[str, ...],
    node: Mapping[str, Any],
    types: Registry | None,
    parent: Mapping[str, Any],
) -> Part:
    place = '/'.join(path)
    untyped = _at(UNTYPED, place)
    if untyped is not None:
        if path[-1] == 'paramwise_cfg':
            untyped = untyped._replace(others=_groups(parent) is None)
        return Part(path, node, None, untyped, None)
    name = node.get('type', _at(TYPES, place))
    kind = find_type(name, types)
    accepted = ANYTHING if kind is None else _accepted(kind, place, node)
    return Part(path, node, kind, accepted, types if 'type' in node else None)


def _groups(optim_wrapper: Mapping[str, Any]) -> frozenset[str] | None:
    """Return the further groups of parameters, ``None`` if that is not known."""
    return CONSTRUCTORS.get(
        optim_wrapper.get('constructor', 'DefaultOptimWrapperConstructor')
    )


def _accepted(kind: Any, place: str, node: Mapping[str, Any]) -> Arguments:
    found = arguments_of(kind)
    more = frozenset().union(*(MORE[p] for p in MORE if is_at(place, p)))
    if place == 'optim_wrapper':
        groups = _groups(node)
        found = found._replace(others=groups is None)
        more |= groups or frozenset()
    # Those of norms, activations and the like are read by several builders.
    shared = place.startswith('model/') and '_cfg/' in f'{place}/'
    return found._replace(names=found.names | more, others=found.others or shared)


def is_at(place: str, pattern: str) -> bool:
    """Tell whether a place, its keys joined by slashes, fits a pattern.

    A star stands for a key, and at the start for any number of them.
    """
    same_depth = place.count('/') == pattern.count('/')
    return PurePosixPath(place).match(pattern) and (
        same_depth or pattern.startswith('*/')
    )


def _at(table: Mapping[str, Any], place: str) -> Any:
    return next((v for p, v in table.items() if is_at(place, p)), None)


def find_type(name: Any, types: Registry | None) -> Any:
    """Return the class that a ``type`` names, ``None`` if it is not known.

    Args:
        name: The ``type``, by name or itself.
        types: Where it should be registered; others are searched after it.
    """
    if callable(name):
        return name
    if not isinstance(name, str) or types is None:
        return None
    others = (r for r in REGISTRIES.values() if r is not types)
    found = (_get(r, name) for r in (types, mmseg_registry.TASK_UTILS, *others))
    return next((kind for kind in found if kind is not None), None)


def _get(types: Registry, name: str) -> Any:
    try:
        return types.get(name)
    except Exception:  # a module that it names cannot be imported
        return None
