"""Pictures per second of translate_dataset against its plain forward passes.

The plain cost is the encoder and the decoder on pictures of the same sizes that lie in
memory already, with the weights in either layout; the tool has them channels-last. The
data set is translated into a temporary folder; all alternate, since other work on the
machine slows them alike.
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

from cfcontra_mm.engine.launch import load_config
from cfcontra_mm.translation import AdaINStyleTransfer, load_translator
from cfcontra_mm.translation.copy_dataset import translate_dataset
from cfcontra_mm.translation.copy_plan import Options

LAYOUTS = {
    'contiguous': torch.contiguous_format,
    'channels-last': torch.channels_last,
}


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='of the translator')
    parser.add_argument('checkpoint')
    parser.add_argument('--rounds', type=int, default=3)
    return parser.parse_args()


def picture_sizes(cfg: Config) -> list[tuple[int, int]]:
    """Height and width of every picture of the source."""
    source = DATASETS.build(dict(cfg.train_dataloader.dataset.source, pipeline=[]))
    paths = [source.get_data_info(i)['img_path'] for i in range(len(source))]
    return [Image.open(path).size[::-1] for path in paths]


@torch.no_grad()
def plain_seconds(
    model: AdaINStyleTransfer, sizes: list[tuple[int, int]], layout: torch.memory_format
) -> float:
    """Time of an encoder and a decoder pass for every picture, one at a time."""
    model = copy.deepcopy(model).to(memory_format=layout)
    pictures = {size: torch.rand(1, 3, *size) for size in set(sizes)}
    start = time.perf_counter()
    for size in sizes:
        model.decoder(model.encoder(pictures[size])[-1])
    return time.perf_counter() - start


def tool_seconds(cfg: Config, model: AdaINStyleTransfer, checkpoint: str) -> float:
    """Time of the whole translation: read, style, translate, write."""
    with tempfile.TemporaryDirectory() as folder, open(os.devnull, 'w') as nowhere:
        start = time.perf_counter()
        with contextlib.redirect_stdout(nowhere):
            translate_dataset(cfg, model, checkpoint, Path(folder, 'out'), Options())
        return time.perf_counter() - start


def main() -> None:
    args = parse_args()
    init_default_scope('mmseg')
    cfg = load_config(args.config, {})
    model = load_translator(args.config, args.checkpoint)
    sizes = picture_sizes(cfg)
    ratios = {layout: [] for layout in LAYOUTS}
    threads = torch.get_num_threads()
    for _ in range(args.rounds):
        tool = tool_seconds(cfg, model, args.checkpoint)
        torch.set_num_threads(threads)  # which the tool divides among pictures
        print(f'{len(sizes) / tool:.1f} pictures/s translated and written')
        for name, layout in LAYOUTS.items():
            plain = plain_seconds(model, sizes, layout)
            ratios[name].append(plain / tool)
            print(f'  {len(sizes) / plain:.1f} plain, {name}: {plain / tool:.2f} of it')
    medians = ', '.join(f'{np.median(r):.2f} ({name})' for name, r in ratios.items())
    print(f'median ratios {medians} with {threads} threads of torch')


if __name__ == '__main__':
    main()
