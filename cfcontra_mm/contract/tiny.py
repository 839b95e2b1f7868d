"""Tiny methods and batches, and the expected gradients of a step."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from logging import FileHandler
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.logging import MessageHub, MMLogger
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper, build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.registry import HOOKS, MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn

import cfcontra_mm  # noqa: F401  registers the methods
from cfcontra_mm.engine.step import make_passes, seeded_as_pass
from cfcontra_mm.methods import DomainInputs, UDASegmentor
from cfcontra_mm.toystreets import write_toystreets

init_default_scope('mmseg')
Size = tuple[int, int]
SIZE: Size = (32, 64)
# Within this context discriminators are narrow; they have no setting for their width.
narrow_discriminators = partial(
    patch, 'cfcontra_mm.models.discriminator.WIDTHS', (8, 8, 8, 8)
)


def write_tiny_toystreets(root: Path) -> Path:
    """Write a pair of 4 source, 5 target and 2 validation images of 64x32.

    The translated copy is a link to the source.
    """
    write_toystreets(root, num_source=4, num_target=5, num_val=2, size=(64, 32))
    (root / 'gta5_to_cityscapes').symlink_to(root / 'gta5')
    return root


def forget_closed_logs() -> None:
    """Remove the log files that an earlier training in this process has closed.

    MMEngine would write to them when weights are initialised.
    """
    for logger in MMLogger._instance_dict.values():
        for handler in list(logger.handlers):
            if isinstance(handler, FileHandler) and handler.stream is None:
                logger.removeHandler(handler)


def build_method(cfg: Config | dict, seed: int = 0) -> UDASegmentor:
    """Build and initialise a method in training mode."""
    torch.manual_seed(seed)
    # An earlier training in this process may have left its count.
    MessageHub.get_current_instance().update_info('iter', 0)
    with narrow_discriminators():
        model = MODELS.build(copy.deepcopy(cfg))
    model.init_weights()
    # Heads start so close to zero that all predictions would be equal.
    with torch.no_grad():
        for parameter in head_parameters(model):
            parameter.mul_(20)
    return model.train()


def head_parameters(model: UDASegmentor) -> list[nn.Parameter]:
    """Return the parameters of the heads, without normalisation."""
    heads = nn.ModuleList(model.heads.values())
    return [p for name, p in heads.named_parameters() if 'bn' not in name]


def warm_up(model: UDASegmentor, cfg: Config) -> UDASegmentor:
    """Run two steps with the hooks of the config, which do not change the weights.

    They fill what starts empty, for example a memory bank.
    """
    hooks = build_hooks(cfg)
    for seed in (98, 99):
        summed_loss(model, random_batch(seed))
        after_step(model, hooks)
    return model


def build_hooks(cfg: Config) -> list[Hook]:
    """Build the hooks of a method's config."""
    return [HOOKS.build(copy.deepcopy(hook)) for hook in cfg.get('custom_hooks', [])]


def after_step(model: UDASegmentor, hooks: Sequence[Hook]) -> None:
    """Call the hooks as after a training iteration."""
    for hook in hooks:
        hook.after_train_iter(SimpleNamespace(model=model, iter=0), 0)


def build_optimizer(
    model: nn.Module, cfg: Config, accumulative_counts: int = 1
) -> OptimWrapper:
    """Build the optimisers of a config, with gradient accumulation if required."""
    optim_wrapper = copy.deepcopy(cfg.optim_wrapper)
    wrappers = [optim_wrapper]
    if 'optimizer' not in optim_wrapper:
        wrappers = [w for w in optim_wrapper.values() if isinstance(w, dict)]
    for wrapper in wrappers:
        wrapper['accumulative_counts'] = accumulative_counts
    return build_optim_wrapper(model, optim_wrapper)


def sample(
    domain: str, labels: Tensor | None = None, size: Size = SIZE, **meta: Any
) -> SegDataSample:
    """Make a sample as the loader does."""
    meta |= dict(domain=domain, img_shape=size, ori_shape=size, pad_shape=size)
    data_sample = SegDataSample(metainfo=meta)
    if labels is not None:
        data_sample.gt_sem_seg = PixelData(data=labels)
    return data_sample


def random_labels(generator: torch.Generator, size: Size = SIZE) -> Tensor:
    """Draw labels (1, H, W) in blocks of 8x8 pixels, some of them ignored."""
    coarse = torch.randint(0, 20, (1, size[0] // 8, size[1] // 8), generator=generator)
    coarse[coarse == 19] = 255
    return coarse.repeat_interleave(8, 1).repeat_interleave(8, 2)


def random_batch(seed: int, per_domain: int = 2, size: Size = SIZE) -> dict:
    """Draw a training batch as the loader makes it, with source and target mixed."""
    generator = torch.Generator().manual_seed(seed)
    batch: dict[str, list] = dict(inputs=[], data_samples=[])
    for place, domain in enumerate(('source', 'target') * per_domain):
        shape = (3, *(side // 8 for side in size))
        image = torch.randint(0, 256, shape, generator=generator)
        image = image.repeat_interleave(8, 1).repeat_interleave(8, 2)
        noise = torch.randint(-20, 20, image.shape, generator=generator)
        batch['inputs'].append((image + noise).clamp(0, 255).byte())
        labels = random_labels(generator, size) if domain == 'source' else None
        draw = dict(draw=(0, 2 * per_domain * seed + place), step=seed)
        batch['data_samples'].append(sample(domain, labels, size, **draw))
    return batch


def merged(*batches: dict) -> dict:
    """Merge batches into one."""
    return {key: [x for batch in batches for x in batch[key]] for key in batches[0]}


def gradients(model: nn.Module) -> dict[str, Tensor]:
    """Copy the gradients, by the parameters' names; zero if there is none."""
    return {
        name: torch.zeros_like(p) if p.grad is None else p.grad.clone()
        for name, p in model.named_parameters()
    }


def record_steps(
    optim_wrapper: OptimWrapper, model: nn.Module
) -> list[dict[str, Tensor]]:
    """Make the optimiser record the gradients instead of stepping."""
    steps: list[dict[str, Tensor]] = []
    optim_wrapper.step = lambda **kwargs: steps.append(gradients(model))
    return steps


def losses_of(
    model: UDASegmentor, passes: dict[str, DomainInputs], meta: dict
) -> dict[str, Tensor]:
    """Compute the losses of all passes; their names start with that of the pass."""
    losses: dict[str, Tensor] = {}
    for number, (name, inputs) in enumerate(passes.items()):
        with seeded_as_pass(meta, number):
            losses |= model(inputs, mode=name)
    return losses


def step_losses(model: UDASegmentor, data: dict) -> dict[str, Tensor]:
    """Compute the losses of a step on a batch, in one graph."""
    data = copy.deepcopy(data)
    meta = data['data_samples'][0].metainfo
    return losses_of(model, make_passes(model, data), meta)


def summed_loss(model: UDASegmentor, data: dict) -> Tensor:
    """Compute the summed loss of all passes of a step, in one graph."""
    return model.parse_losses(step_losses(model, data))[0]


def summed_gradients(model: UDASegmentor, *batches: dict) -> dict[str, Tensor]:
    """Compute the gradients of the batches' mean loss with one backward pass."""
    model = copy.deepcopy(model)
    model.zero_grad()
    torch.stack([summed_loss(model, data) for data in batches]).mean().backward()
    return gradients(model)


def predicted_logits(model: BaseModel, seed: int = 5) -> Tensor:
    """Predict the logits of two random images, (2, C, H, W)."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (2, 3, *SIZE), generator=generator).byte()
    data = dict(inputs=list(images), data_samples=[sample('target') for _ in images])
    with torch.no_grad():
        results = model.eval().test_step(data)
    return torch.stack([result.seg_logits.data for result in results])


def leaves(node: object, path: str = '') -> Iterator[tuple[str, object]]:
    """Yield every value in nested dicts and lists, with its dotted path."""
    items: Iterable[tuple[object, object]]
    if isinstance(node, dict):
        items = node.items()
    elif isinstance(node, (list, tuple)):
        items = enumerate(node)
    else:
        yield path, node
        return
    for key, value in items:
        yield from leaves(value, f'{path}.{key}' if path else str(key))
