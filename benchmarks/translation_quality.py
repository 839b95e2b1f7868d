"""Measure how close a translated source is to the target, and how much content is left.

Closeness is the Frechet distance to the target images: of the channel statistics of the
translator's encoder, which AdaIN aims to match, and of the mean features of
segmentation networks, which are independent of the translator. Content is the mIoU of
the same networks on the source images, before and after translation.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from mmengine.dataset import BaseDataset, pseudo_collate
from mmengine.registry import init_default_scope
from mmseg.models import BaseSegmentor
from mmseg.registry import DATASETS
from PIL import Image
from prettytable import PrettyTable
from torch import Tensor
from torch.utils.data import DataLoader

import cfcontra_mm  # noqa: F401  registers what the configs name
from cfcontra_mm.command_line import ArgumentParser, command_line, named_path
from cfcontra_mm.engine.checkpoints import load_segmentor
from cfcontra_mm.engine.launch import load_config
from cfcontra_mm.evaluation import DomainIoUMetric, frechet_distance
from cfcontra_mm.translation import (
    AdaINStyleTransfer,
    image_statistics,
    load_translator,
)

BATCH = 4


def parse_args() -> argparse.Namespace:
    parser = ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='segmentation config of the original pair')
    parser.add_argument(
        'translated', help='translated source, written by tools/translate_dataset.py'
    )
    parser.add_argument('translator', help='config of the translator')
    parser.add_argument('checkpoint', help='checkpoint of the translator')
    parser.add_argument(
        '--networks',
        type=named_path,
        nargs='+',
        default=[],
        metavar='NAME=CHECKPOINT',
        help='trained segmentation networks',
    )
    return parser.parse_args()


def build_sets(config: str, translated: str) -> dict[str, BaseDataset]:
    """Build the source, the translated source (both labelled) and the target."""
    pair = load_config(config, {}).train_dataloader.dataset
    return dict(
        source=DATASETS.build(pair.source),
        translated=DATASETS.build(dict(pair.source, data_root=translated)),
        target=DATASETS.build(pair.target),
    )


def style_vectors(translator: AdaINStyleTransfer, dataset: BaseDataset) -> Tensor:
    """Compute the channel statistics of the encoder, a vector for each image."""
    paths = (dataset.get_data_info(i)['img_path'] for i in range(len(dataset)))
    arrays = (np.array(Image.open(path).convert('RGB')) for path in paths)
    vectors = [torch.cat(image_statistics(translator, array), 1) for array in arrays]
    return torch.cat(vectors).flatten(1)


@torch.no_grad()
def feature_vectors(network: BaseSegmentor, dataset: BaseDataset) -> Tensor:
    """Compute the mean of a network's deepest features, a vector for each image."""
    vectors = []
    for data in batches(dataset):
        inputs = network.data_preprocessor(data)['inputs']
        vectors.append(network.extract_feat(inputs)[-1].mean((2, 3)))
    return torch.cat(vectors)


@torch.no_grad()
def miou(network: BaseSegmentor, dataset: BaseDataset) -> float:
    """Compute the mIoU of a network on labelled images, in percent."""
    metric = DomainIoUMetric()
    metric.dataset_meta = dataset.metainfo
    for data in batches(dataset):
        results = [sample.to_dict() for sample in network.test_step(data)]
        metric.process(data, results)
    return metric.evaluate(len(dataset))['mIoU']


def batches(dataset: BaseDataset) -> DataLoader:
    return DataLoader(dataset, BATCH, num_workers=2, collate_fn=pseudo_collate)


def distances(
    vectors: Callable[[BaseDataset], Tensor], sets: dict[str, BaseDataset]
) -> list[float]:
    """Compute the distances of the source and of its translation to the target."""
    source, translated, target = (vectors(dataset) for dataset in sets.values())
    return [frechet_distance(x, target) for x in (source, translated)]


@command_line
def main() -> None:
    args = parse_args()
    init_default_scope('mmseg')
    sets = build_sets(args.config, args.translated)
    table = PrettyTable(['measure', 'source', 'translated', 'ratio'])
    translator = load_translator(args.translator, args.checkpoint)
    rows = {
        'distance to the target, encoder': distances(
            partial(style_vectors, translator), sets
        )
    }
    for name, checkpoint in args.networks:
        network = load_segmentor(checkpoint).eval()
        rows[f'distance to the target, {name}'] = distances(
            partial(feature_vectors, network), sets
        )
        labelled = sets['source'], sets['translated']
        rows[f'mIoU of {name}'] = [miou(network, dataset) for dataset in labelled]
    for name, (before, after) in rows.items():
        table.add_row([name, f'{before:.4g}', f'{after:.4g}', f'{after / before:.2f}'])
    print(table)


if __name__ == '__main__':
    main()
