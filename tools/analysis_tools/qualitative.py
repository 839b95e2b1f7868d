"""Draw images, their ground truth and the predictions of each method side by side."""

import argparse

from cfcontra_mm.analysis.output import write_image
from cfcontra_mm.analysis.sheet import draw_sheet, load_samples
from cfcontra_mm.command_line import (
    ArgumentParser,
    add_config_arguments,
    command_line,
    named_path,
    output_file,
    positive,
)
from cfcontra_mm.engine.launch import load_config


def parse_args() -> argparse.Namespace:
    parser = ArgumentParser(description=__doc__)
    add_config_arguments(parser)
    parser.add_argument(
        'methods',
        type=named_path,
        nargs='+',
        metavar='NAME=PREDICTIONS',
        help='a heading and the folder that tools/test.py --out wrote',
    )
    parser.add_argument(
        '--num', type=positive, default=4, help='images, spread over the test split'
    )
    parser.add_argument('--out', type=output_file, default='qualitative.png')
    return parser.parse_args()


@command_line
def main() -> None:
    args = parse_args()
    samples = load_samples(
        load_config(args.config, args.cfg_options, args.network, args.pair), args.num
    )
    write_image(draw_sheet(samples, dict(args.methods)), args.out)
    print(f'wrote {args.out}')


if __name__ == '__main__':
    main()
