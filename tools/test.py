"""Test a checkpoint on the labelled test data of a config."""

import argparse

from cfcontra_mm.command_line import (
    ArgumentParser,
    add_run_arguments,
    command_line,
    output_folder,
)
from cfcontra_mm.engine.launch import setup_config, test


def parse_args() -> argparse.Namespace:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument('config', help='for example configs/METHOD/CONFIG.py')
    parser.add_argument('checkpoint')
    parser.add_argument(
        '--out',
        type=output_folder,
        metavar='DIR',
        help='save predictions as PNGs of class indices',
    )
    parser.add_argument(
        '--show-dir',
        type=output_folder,
        metavar='DIR',
        help='save images with the prediction painted over',
    )
    parser.add_argument(
        '--tta', action='store_true', help='average over test-time augmentations'
    )
    parser.add_argument(
        '--statistics',
        choices=('target', 'running', 'both'),
        help='statistics of batch normalisation: estimated on target training images, '
        "those of the training, or the config's and the others too",
    )
    add_run_arguments(parser)
    return parser.parse_args()


@command_line
def main() -> None:
    args = parse_args()
    needs = ('model', 'test_dataloader', 'test_cfg', 'test_evaluator')
    cfg = setup_config(args, needs)
    test(cfg, args.checkpoint, args.out, args.show_dir, args.tta, args.statistics)


if __name__ == '__main__':
    main()
