"""Draw the confusion matrix of predictions, in percent of the pixels of each label."""

import argparse
from pathlib import Path

from cfcontra_mm.analysis import class_names, count_confusion, draw_confusion
from cfcontra_mm.analysis.output import write_image
from cfcontra_mm.command_line import (
    ArgumentParser,
    add_config_arguments,
    command_line,
    output_file,
)
from cfcontra_mm.engine.launch import load_config


def parse_args() -> argparse.Namespace:
    parser = ArgumentParser(description=__doc__)
    add_config_arguments(parser)
    parser.add_argument(
        'predictions', type=Path, help='folder that tools/test.py --out wrote'
    )
    parser.add_argument('--title', default='')
    parser.add_argument('--out', type=output_file, default='confusion.png')
    return parser.parse_args()


@command_line
def main() -> None:
    args = parse_args()
    cfg = load_config(args.config, args.cfg_options, args.network, args.pair)
    matrix = count_confusion(cfg, args.predictions)
    write_image(draw_confusion(matrix, class_names(cfg), args.title), args.out)
    print(f'wrote {args.out}')


if __name__ == '__main__':
    main()
