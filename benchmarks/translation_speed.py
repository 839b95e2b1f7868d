"""Compare the images per second of translate_dataset with its plain forward passes.

The plain passes run encoder and decoder on images of the same sizes that are already in
memory, with the weights in either memory layout; the tool uses channels-last. The data
set is translated to a temporary folder. All alternate, so that other work on the
machine slows them equally.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS
from PIL import Image

from cfcontra_mm.command_line import ArgumentParser, command_line, positive
from cfcontra_mm.engine.launch import load_config
from cfcontra_mm.translation import AdaINStyleTransfer, load_translator
from cfcontra_mm.translation.copy_dataset import translate_dataset
from cfcontra_mm.translation.copy_plan import Options

LAYOUTS = {
    'contiguous': torch.contiguous_format,
    'channels-last': torch.channels_last,
}


def parse_args() -> argparse.Namespace:
    parser = ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config of the translator')
    parser.add_argument('checkpoint', help='checkpoint of the translator')
    parser.add_argument(
        '--rounds', type=positive, default=3, help='number of repetitions'
    )
    return parser.parse_args()


def image_sizes(cfg: Config) -> list[tuple[int, int]]:
    """Read the height and width of every source image."""
    source = DATASETS.build(dict(cfg.train_dataloader.dataset.source, pipeline=[]))
    paths = [source.get_data_info(i)['img_path'] for i in range(len(source))]
    return [Image.open(path).size[::-1] for path in paths]


@torch.no_grad()
def plain_seconds(
    model: AdaINStyleTransfer, sizes: list[tuple[int, int]], layout: torch.memory_format
) -> float:
    """Measure encoder and decoder passes for every image, one at a time."""
    model = copy.deepcopy(model).to(memory_format=layout)
    images = {size: torch.rand(1, 3, *size) for size in set(sizes)}
    start = time.perf_counter()
    for size in sizes:
        model.decoder(model.encoder(images[size])[-1])
    return time.perf_counter() - start


def tool_seconds(cfg: Config, model: AdaINStyleTransfer, checkpoint: str) -> float:
    """Measure the whole translation: read images and styles, translate, write."""
    with tempfile.TemporaryDirectory() as folder, open(os.devnull, 'w') as nowhere:
        start = time.perf_counter()
        with contextlib.redirect_stdout(nowhere):
            translate_dataset(cfg, model, checkpoint, Path(folder, 'out'), Options())
        return time.perf_counter() - start


@command_line
def main() -> None:
    args = parse_args()
    init_default_scope('mmseg')
    cfg = load_config(args.config, {})
    model = load_translator(args.config, args.checkpoint)
    sizes = image_sizes(cfg)
    ratios: dict[str, list[float]] = {layout: [] for layout in LAYOUTS}
    threads = torch.get_num_threads()
    for _ in range(args.rounds):
        tool = tool_seconds(cfg, model, args.checkpoint)
        torch.set_num_threads(threads)  # which the tool divides among images
        print(f'{len(sizes) / tool:.1f} images/s translated and written')
        for name, layout in LAYOUTS.items():
            plain = plain_seconds(model, sizes, layout)
            ratios[name].append(plain / tool)
            rate, ratio = len(sizes) / plain, plain / tool
            print(f'  {rate:.1f} images/s plain, {name}: tool/plain {ratio:.2f}')
    medians = ', '.join(f'{np.median(r):.2f} ({name})' for name, r in ratios.items())
    print(f'median tool/plain {medians}, {threads} torch threads')


if __name__ == '__main__':
    main()
