"""Draw the training losses and validation mIoU of one or several runs."""

import argparse
from pathlib import Path

from cfcontra_mm.analysis import draw_curves
from cfcontra_mm.analysis.curves import read_runs
from cfcontra_mm.analysis.output import write_image
from cfcontra_mm.command_line import ArgumentParser, command_line, output_file


def parse_args() -> argparse.Namespace:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument(
        'runs',
        type=Path,
        nargs='+',
        metavar='RUN_DIR',
        help='folder of tools/train.py',
    )
    parser.add_argument('--out', type=output_file, default='curves.png')
    return parser.parse_args()


@command_line
def main() -> None:
    args = parse_args()
    write_image(draw_curves(read_runs(args.runs)), args.out)
    print(f'wrote {args.out}')


if __name__ == '__main__':
    main()
