"""AdaptSegNet's training as its paper has it: two optimisers that take turns."""

from __future__ import annotations

import copy

import torch
from mmengine.config import Config
from torch import Tensor, nn
from torch.nn.functional import (
    binary_cross_entropy_with_logits,
    cross_entropy,
    interpolate,
)

WEIGHTS = dict(decode=1e-3, aux=2e-4)
SGD = dict(lr=1e-3, momentum=0.9, weight_decay=5e-4)
ADAM = dict(lr=1e-3, betas=(0.9, 0.99))


def jointly(cfg: Config) -> Config:
    """The config with the two optimisers above; the heads learn ten times as fast."""
    cfg.optim_wrapper = dict(
        type='OptimWrapper',
        constructor='JointOptimWrapperConstructor',
        optimizer=dict(type='SGD', **SGD),
        paramwise_cfg=dict(custom_keys={'head': dict(lr_mult=10.0)}),
        discriminator=dict(optimizer=dict(type='Adam', **ADAM)),
    )
    return cfg


def alternate(
    model: nn.Module, iterations: list[list[dict]], late: bool = False
) -> None:
    """Train on the mean loss of each iteration's batches.

    The generator steps first, then the discriminators on what it predicted before its
    step, or, with ``late``, predicts after it.
    """
    heads = dict(decode=model.decode_head, aux=model.auxiliary_head)
    generator = torch.optim.SGD(
        [
            dict(params=model.backbone.parameters()),
            dict(
                params=[p for head in heads.values() for p in head.parameters()],
                lr=10 * SGD['lr'],
            ),
        ],
        **SGD,
    )
    judges = model.discriminators
    discriminator = torch.optim.Adam(judges.parameters(), **ADAM)
    for batches in iterations:
        domains = [
            model.data_preprocessor(copy.deepcopy(b), training=True) for b in batches
        ]
        judges.requires_grad_(False)
        generator.zero_grad()
        seen = []
        for batch in domains:
            source, target = (predict(model, heads, batch, d) for d in batch)
            labels = torch.cat(
                [s.gt_sem_seg.data for s in batch['source']['data_samples']]
            )
            loss = sum(
                scale * cross_entropy(source[name], labels, ignore_index=255)
                for name, scale in (('decode', 1.0), ('aux', 0.1))
            )
            for name, weight in WEIGHTS.items():
                loss = loss + weight * answer(judges[name], target[name], 0)
            (loss / len(domains)).backward()
            seen.append((source, target))
        generator.step()
        judges.requires_grad_(True)
        discriminator.zero_grad()
        if late:
            seen = [[predict(model, heads, b, d) for d in b] for b in domains]
        for source, target in seen:
            for name, judge in judges.items():
                for label, maps in enumerate((source[name], target[name])):
                    loss = answer(judge, maps.detach(), label) / 2
                    (loss / len(domains)).backward()
        discriminator.step()


def predict(model, heads, batch, domain) -> dict[str, Tensor]:
    """Each head's logits at label size."""
    images = batch[domain]['inputs']
    features = model.backbone(images)
    return {
        name: interpolate(
            head(features), images.shape[2:], mode='bilinear', align_corners=True
        )
        for name, head in heads.items()
    }


def answer(judge: nn.Module, logits: Tensor, label: int) -> Tensor:
    """Loss of a discriminator's scores of the softmax against a label."""
    scores = judge(logits.softmax(1))
    return binary_cross_entropy_with_logits(
        scores, torch.full_like(scores, float(label))
    )
