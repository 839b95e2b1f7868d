"""How far a translated source has moved to the target, and what is left of its content.

Distances are Frechet distances to the target's pictures: of the channel statistics of
the translator's own encoder, which AdaIN sets out to match, and of the mean features
of segmentation networks, which know nothing of the translator. The content is what the
same networks still recognise: their mIoU on the source's pictures, before and after.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS
from PIL import Image
from prettytable import PrettyTable
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

import cfcontra_mm  # noqa: F401  registers what the configs name
from cfcontra_mm.engine.checkpoints import load_segmentor
from cfcontra_mm.evaluation import DomainIoUMetric, frechet_distance
from cfcontra_mm.translation import load_translator, picture_statistics

BATCH = 4


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='segmentation config that names the raw pair')
    parser.add_argument('translated', help='as tools/translate_dataset.py wrote it')
    parser.add_argument('translator', help='its config')
    parser.add_argument('checkpoint', help="the translator's")
    parser.add_argument(
        '--networks',
        nargs='+',
        default=[],
        metavar='NAME=CHECKPOINT',
        help='trained segmentation networks',
    )
    return parser.parse_args()


def build_sets(config: str, translated: str) -> dict[str, Dataset]:
    """Source, translated source (both labelled) and target."""
    pair = Config.fromfile(config).train_dataloader.dataset
    return dict(
        source=DATASETS.build(pair.source),
        translated=DATASETS.build(dict(pair.source, data_root=translated)),
        target=DATASETS.build(pair.target),
    )


def style_vectors(translator: nn.Module, pictures: Dataset) -> Tensor:
    """The statistics of the translator's encoder, a vector a picture."""
    paths = (pictures.get_data_info(i)['img_path'] for i in range(len(pictures)))
    arrays = (np.array(Image.open(path).convert('RGB')) for path in paths)
    vectors = [torch.cat(picture_statistics(translator, array), 1) for array in arrays]
    return torch.cat(vectors).flatten(1)


@torch.no_grad()
def feature_vectors(network: nn.Module, pictures: Dataset) -> Tensor:
    """The mean of a network's deepest features, a vector a picture."""
    vectors = []
    for data in batches(pictures):
        inputs = network.data_preprocessor(data)['inputs']
        vectors.append(network.extract_feat(inputs)[-1].mean((2, 3)))
    return torch.cat(vectors)


@torch.no_grad()
def miou(network: nn.Module, pictures: Dataset) -> float:
    """What a network recognises of labelled pictures, in percent."""
    metric = DomainIoUMetric()
    metric.dataset_meta = pictures.metainfo
    for data in batches(pictures):
        results = [sample.to_dict() for sample in network.test_step(data)]
        metric.process(data, results)
    return metric.evaluate(len(pictures))['mIoU']


def batches(pictures: Dataset) -> DataLoader:
    return DataLoader(pictures, BATCH, num_workers=2, collate_fn=pseudo_collate)


def distances(vectors: Callable[[Dataset], Tensor], sets: dict) -> list[float]:
    """To the target: of the source, and of its translation."""
    source, translated, target = (vectors(pictures) for pictures in sets.values())
    return [frechet_distance(x, target) for x in (source, translated)]


def main() -> None:
    args = parse_args()
    init_default_scope('mmseg')
    sets = build_sets(args.config, args.translated)
    table = PrettyTable(['measure', 'source', 'translated', 'ratio'])
    translator = load_translator(args.translator, args.checkpoint)
    rows = {
        'distance to the target, encoder': distances(
            lambda pictures: style_vectors(translator, pictures), sets
        )
    }
    for name, checkpoint in (pair.split('=', 1) for pair in args.networks):
        network = load_segmentor(Path(checkpoint)).eval()
        rows[f'distance to the target, {name}'] = distances(
            lambda pictures, network=network: feature_vectors(network, pictures), sets
        )
        labelled = sets['source'], sets['translated']
        rows[f'mIoU of {name}'] = [miou(network, pictures) for pictures in labelled]
    for name, (before, after) in rows.items():
        table.add_row([name, f'{before:.4g}', f'{after:.4g}', f'{after / before:.2f}'])
    print(table)


if __name__ == '__main__':
    main()
