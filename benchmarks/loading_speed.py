"""Compare the CPU time to load a source image with one config and with another.

Each image is loaded in one thread, as in a data worker, and twice with the same random
numbers: styles are encoded in the first round only. The configs alternate.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
from mmengine.dataset import BaseDataset
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS

from cfcontra_mm.command_line import ArgumentParser, command_line, positive
from cfcontra_mm.engine.launch import load_config


def parse_args() -> argparse.Namespace:
    parser = ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config to measure')
    parser.add_argument('other', help='config to compare it with')
    parser.add_argument('--images', type=positive, default=100, help='number of images')
    return parser.parse_args()


def source_of(config: str) -> BaseDataset:
    """Build the labelled source that a config trains on."""
    return DATASETS.build(load_config(config, {}).train_dataloader.dataset.source)


def seconds(source: BaseDataset, number: int) -> float:
    """Measure the CPU time to load an image whose number also seeds its style."""
    np.random.seed(number)
    start = time.process_time()
    source[number % len(source)]
    return time.process_time() - start


@command_line
def main() -> None:
    args = parse_args()
    init_default_scope('mmseg')
    torch.set_num_threads(1)
    sources = [source_of(config) for config in (args.config, args.other)]
    for source in sources:
        seconds(source, 0)
    for what in ('first', 'again'):
        times = [[seconds(s, n) for s in sources] for n in range(1, args.images)]
        one, other = 1000 * np.median(times, axis=0)
        print(f'{what}: {one:.1f} ms and {other:.1f} ms an image, {one / other:.1f} x')


if __name__ == '__main__':
    main()
