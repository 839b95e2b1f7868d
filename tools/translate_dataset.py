"""Write a copy of a data set's images in another style, with its labels linked.

The copy has the layout of the original: to train on it, set the data set's data_root to
DIR. If the command is interrupted, run it again to continue.
"""

import argparse

from cfcontra_mm.command_line import (
    ArgumentParser,
    add_launcher_arguments,
    add_options_argument,
    add_trust_argument,
    command_line,
    output_folder,
)
from cfcontra_mm.engine.launch import load_config
from cfcontra_mm.engine.processes import init_workers
from cfcontra_mm.translation import load_translator
from cfcontra_mm.translation.copy_dataset import translate_dataset
from cfcontra_mm.translation.copy_plan import DIRECTIONS, Options


def parse_args() -> argparse.Namespace:
    parser = ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config of the translator and the data')
    parser.add_argument(
        'checkpoint', help='checkpoint of the translator, written by tools/train.py'
    )
    parser.add_argument(
        '--out',
        required=True,
        type=output_folder,
        metavar='DIR',
        help='folder to write',
    )
    parser.add_argument(
        '--direction',
        choices=DIRECTIONS,
        default=DIRECTIONS[0],
        help='default: %(default)s',
    )
    parser.add_argument(
        '--alpha', type=float, default=1.0, help='style strength, 0-1; default: 1'
    )
    parser.add_argument(
        '--seed', type=int, default=0, help='seed of the choice of styles; default: 0'
    )
    add_options_argument(
        parser, what='for example train_dataloader.dataset.source.data_root=data/gta5'
    )
    add_launcher_arguments(parser)
    add_trust_argument(parser)
    return parser.parse_args()


@command_line
def main() -> None:
    args = parse_args()
    options = Options(args.direction, args.alpha, args.seed)
    cfg = load_config(args.config, args.cfg_options)
    model = load_translator(cfg, args.checkpoint, args.trust_checkpoint)
    init_workers(args.launcher, args.local_rank)
    translate_dataset(cfg, model, args.checkpoint, args.out, options)


if __name__ == '__main__':
    main()
