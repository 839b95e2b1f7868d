"""Write the ToyStreets pair: a labelled game-like source and a camera-like target."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

from cfcontra_mm.command_line import (
    ArgumentParser,
    command_line,
    output_folder,
    positive,
    seed,
)
from cfcontra_mm.toystreets import CAMERAS, write_toystreets


def parse_args() -> argparse.Namespace:
    parser = ArgumentParser(description=__doc__)
    default = 'default: %(default)s'
    parser.add_argument(
        '--out',
        required=True,
        type=output_folder,
        metavar='DIR',
        help='folder to write',
    )
    for part, number in dict(source=400, target=400, val=100).items():
        parser.add_argument(
            f'--num-{part}', type=positive, default=number, metavar='N', help=default
        )
    parser.add_argument(
        '--size', type=parse_size, default=(256, 128), metavar='WxH',
        help='from 64x32 to 1024x512; default: 256x128',
    )  # fmt: skip
    parser.add_argument('--seed', type=seed, default=0, help=default)
    parser.add_argument(
        '--camera',
        choices=CAMERAS,
        default='camera',
        help=f'look of the target; {default}',
    )
    return parser.parse_args()


def parse_size(text: str) -> tuple[int, int]:
    width, _, height = text.partition('x')
    if not (width.isdigit() and height.isdigit()):
        raise argparse.ArgumentTypeError(f'{text!r} is not WxH, such as 256x128')
    size = int(width), int(height)
    if not (64 <= size[0] <= 1024 and 32 <= size[1] <= 512):
        raise argparse.ArgumentTypeError(f'{text} is not between 64x32 and 1024x512')
    return size


def progress_line() -> Callable[[int, int], None]:
    """Return a function that prints the images done and the time left on one line."""
    start = time.monotonic()

    def show(done: int, total: int) -> None:
        left = (time.monotonic() - start) / done * (total - done)
        end = '\n' if done == total else ''
        if sys.stdout.isatty() or end or done % 100 == 0:
            lead = '\r' if sys.stdout.isatty() else ''
            line = f'ToyStreets {done}/{total}, {left:.0f} s left '
            print(f'{lead}{line}', end=end or ('' if lead else '\n'), flush=True)

    return show


@command_line
def main() -> None:
    args = parse_args()
    counts = args.num_source, args.num_target, args.num_val
    write_toystreets(
        args.out, *counts, args.size, args.seed, progress_line(), args.camera
    )


if __name__ == '__main__':
    main()
