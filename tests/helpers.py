"""Tiny models and batches, and the methods to try them on."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from unittest.mock import patch

import torch
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.optim import OptimWrapper, build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn

import cfcontra_mm  # noqa: F401  registers the methods
from cfcontra_mm.engine.hooks import move_centers
from cfcontra_mm.methods import UDASegmentor
from cfcontra_mm.methods.base import domain_inputs

init_default_scope('mmseg')
CONFIGS = Path(__file__).parents[1] / 'configs'
TOYSTREETS = 'deeplabv2_r18_toystreets.py'
# Discriminators built within are narrow: theirs is no config to shrink.
narrow_discriminators = partial(
    patch, 'cfcontra_mm.models.discriminator.WIDTHS', (8, 8, 8, 8)
)


def registered_methods() -> dict[str, type[UDASegmentor]]:
    """Every method in mmseg's registry, by its name."""
    return {
        name: kind
        for name, kind in MODELS.module_dict.items()
        if isinstance(kind, type) and issubclass(kind, UDASegmentor)
    }


def method_folders(config: str = TOYSTREETS) -> list[str]:
    """Folders of configs that hold a config of this name."""
    return sorted(path.parent.name for path in CONFIGS.glob(f'[!_]*/{config}'))


def one_folder_a_method() -> list[str]:
    """A folder for each method; the oracle is source-only on other data."""
    return [folder for folder in method_folders() if folder != 'oracle']


def _shrink(node: dict, widths: dict[int, int]) -> None:
    for key, value in node.items():
        if isinstance(value, dict):
            _shrink(value, widths)
        elif key.endswith('_channels'):
            node[key] = widths.get(value, value)


def tiny_config(folder: str) -> Config:
    """The ToyStreets config of a method with a narrow network: 8 to 64 channels."""
    cfg = Config.fromfile(CONFIGS / folder / TOYSTREETS)
    width = cfg.model.backbone.base_channels
    _shrink(cfg.model, {width * scale: 8 * scale for scale in (1, 4, 8)})
    return cfg


def build_method(cfg: Config | dict, seed: int = 0) -> UDASegmentor:
    """Build and initialise a method in training mode, its centers not yet begun."""
    torch.manual_seed(seed)
    # Another test's training may have ended in this process.
    MessageHub.get_current_instance().update_info('iter', 0)
    with narrow_discriminators():
        model = MODELS.build(copy.deepcopy(cfg))
    model.init_weights()
    # Heads start so near to zero that all predictions would be alike.
    with torch.no_grad():
        for head in model.heads.values():
            for parameter in head.parameters():
                parameter.mul_(20)
    return model.train()


def build_optimizer(
    model: nn.Module, cfg: Config, accumulative_counts: int = 1
) -> OptimWrapper:
    """The config's optimisers, with gradient accumulation where wanted."""
    optim_wrapper = copy.deepcopy(cfg.optim_wrapper)
    wrappers = [optim_wrapper]
    if 'optimizer' not in optim_wrapper:
        wrappers = [w for w in optim_wrapper.values() if isinstance(w, dict)]
    for wrapper in wrappers:
        wrapper['accumulative_counts'] = accumulative_counts
    return build_optim_wrapper(model, optim_wrapper)


def sample(domain: str, labels: Tensor | None = None, size=(32, 64)) -> SegDataSample:
    """A sample as the loader gives it."""
    meta = dict(domain=domain, img_shape=size, ori_shape=size, pad_shape=size)
    data_sample = SegDataSample(metainfo=meta)
    if labels is not None:
        data_sample.gt_sem_seg = PixelData(data=labels)
    return data_sample


def random_labels(generator: torch.Generator, size=(32, 64)) -> Tensor:
    """Blocks of 8x8 pixels of one class, (1, H, W), some of them ignored."""
    coarse = torch.randint(0, 20, (1, size[0] // 8, size[1] // 8), generator=generator)
    coarse[coarse == 19] = 255
    return coarse.repeat_interleave(8, 1).repeat_interleave(8, 2)


def random_batch(seed: int, per_domain: int = 2, size=(32, 64)) -> dict:
    """A training batch as the loader gives it, source and target mixed."""
    generator = torch.Generator().manual_seed(seed)
    batch = dict(inputs=[], data_samples=[])
    for domain in ('source', 'target') * per_domain:
        shape = (3, *(side // 8 for side in size))
        image = torch.randint(0, 256, shape, generator=generator).repeat_interleave(
            8, 1
        )
        image = image.repeat_interleave(8, 2)
        noise = torch.randint(-20, 20, image.shape, generator=generator)
        batch['inputs'].append((image + noise).clamp(0, 255).byte())
        labels = random_labels(generator, size) if domain == 'source' else None
        batch['data_samples'].append(sample(domain, labels, size))
    return batch


def merged(*batches: dict) -> dict:
    """One batch of the samples of several."""
    return {key: [x for batch in batches for x in batch[key]] for key in batches[0]}


def begin_centers(model: UDASegmentor, data: dict) -> None:
    """Give a method with class centers its first ones from a batch."""
    if not hasattr(model, 'class_centers'):
        return
    batch = model.data_preprocessor(copy.deepcopy(data), training=True)
    for domain in ('source', 'target'):
        model.accumulate_centers(domain, domain_inputs(batch, domain))
        move_centers(model.class_centers)


def gradients(model: nn.Module) -> dict[str, Tensor]:
    """Copies of the gradients, by the parameters' names; zero where there is none."""
    return {
        name: torch.zeros_like(p) if p.grad is None else p.grad.clone()
        for name, p in model.named_parameters()
    }


def record_steps(optim_wrapper: OptimWrapper, model: nn.Module) -> list[dict]:
    """Make the optimiser note the gradients at each step instead of stepping."""
    steps = []
    optim_wrapper.step = lambda **kwargs: steps.append(gradients(model))
    return steps


def summed_loss(model: UDASegmentor, data: dict) -> Tensor:
    """The loss of all domains, as one graph."""
    batch = model.data_preprocessor(copy.deepcopy(data), training=True)
    parts = [model(batch, mode=domain) for domain in model.domains]
    return sum(model.parse_losses(part)[0] for part in parts)


def summed_gradients(model: UDASegmentor, *batches: dict) -> dict[str, Tensor]:
    """Gradients of the mean of the batches' losses, from one backward."""
    model = copy.deepcopy(model)
    model.zero_grad()
    (sum(summed_loss(model, data) for data in batches) / len(batches)).backward()
    return gradients(model)


def leaves(node: object, path: str = '') -> Iterator[tuple[str, object]]:
    """Every value under nested dicts and lists, with its dotted path."""
    if isinstance(node, dict):
        items = node.items()
    elif isinstance(node, (list, tuple)):
        items = enumerate(node)
    else:
        yield path, node
        return
    for key, value in items:
        yield from leaves(value, f'{path}.{key}' if path else str(key))


def labelled_split(root: Path, palette: dict[str, list[int]]) -> str:
    """Text of a config whose test data are the pictures and labels in a folder."""
    return f"""
test_dataloader = dict(dataset=dict(
    type='BaseSegDataset', data_root={str(root)!r}, test_mode=True,
    data_prefix=dict(img_path='images', seg_map_path='labels'),
    img_suffix='.png', seg_map_suffix='.png',
    metainfo=dict(classes={tuple(palette)}, palette={list(palette.values())}),
    pipeline=[
        dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'),
        dict(type='PackSegInputs')]))
"""
