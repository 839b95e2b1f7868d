"""Write a copy of a data set's pictures in another style, with its labels linked.

The copy has the original's layout: to train on it, set the data set's data_root to DIR.
Interrupted, it goes on when it is started again.
"""

import argparse

from cfcontra_mm.engine.launch import (
    LAUNCHERS,
    CfgOptions,
    add_trust_argument,
    command_line,
    load_config,
)
from cfcontra_mm.translation import load_translator
from cfcontra_mm.translation.copy_dataset import init_processes, translate_dataset
from cfcontra_mm.translation.copy_plan import DIRECTIONS, Options


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='of the translator and the data')
    parser.add_argument('checkpoint', help="the translator's, by tools/train.py")
    parser.add_argument('--out', required=True, metavar='DIR')
    parser.add_argument(
        '--direction',
        choices=DIRECTIONS,
        default=DIRECTIONS[0],
        help='default: %(default)s; both_to_style writes DIR/source and DIR/target',
    )
    parser.add_argument(
        '--styles', metavar='DIR', help='pictures of the third style, for both_to_style'
    )
    parser.add_argument(
        '--alpha', type=float, default=1.0, help='share of the style, 0-1; default: 1'
    )
    parser.add_argument(
        '--preserve-color', action='store_true', help='change the luminance alone'
    )
    parser.add_argument(
        '--seed', type=int, default=0, help='of the choice of styles; default: 0'
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=CfgOptions,
        default={},
        metavar='KEY=VALUE',
        help='for example train_dataloader.dataset.source.data_root=data/gta5',
    )
    parser.add_argument('--launcher', choices=LAUNCHERS, default='none')
    add_trust_argument(parser)
    # torch.distributed.launch, which mim starts, passes it.
    parser.add_argument('--local-rank', '--local_rank', help=argparse.SUPPRESS)
    return parser.parse_args()


@command_line
def main() -> None:
    args = parse_args()
    options = Options(
        args.direction, args.styles, args.alpha, args.preserve_color, args.seed
    )
    cfg = load_config(args.config, args.cfg_options)
    model = load_translator(cfg, args.checkpoint, args.trust_checkpoint)
    init_processes(args.launcher, args.local_rank)
    translate_dataset(cfg, model, args.checkpoint, args.out, options)


if __name__ == '__main__':
    main()
