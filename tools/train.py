"""Train a method from its config."""

import argparse

from cfcontra_mm.command_line import (
    ArgumentParser,
    add_run_arguments,
    command_line,
    output_file,
    seed,
)
from cfcontra_mm.engine.launch import setup_config, train


def parse_args() -> argparse.Namespace:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument('config', help='for example configs/METHOD/CONFIG.py')
    start = parser.add_mutually_exclusive_group()
    start.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='resume from a checkpoint; default: the newest whole one in the work dir',
    )
    start.add_argument(
        '--overwrite',
        action='store_true',
        help='delete the checkpoints and logs that the work dir has, and start again',
    )
    parser.add_argument('--amp', action='store_true', help='train in mixed precision')
    parser.add_argument('--seed', type=seed, help="default: the config's")
    parser.add_argument(
        '--debug-nan',
        type=output_file,
        metavar='FILE',
        help='write the batch and the random state there if a loss is not finite',
    )
    add_run_arguments(parser)
    return parser.parse_args()


@command_line
def main() -> None:
    args = parse_args()
    needs = ('model', 'train_dataloader', 'train_cfg', 'optim_wrapper')
    cfg = setup_config(args, needs)
    train(cfg, args.resume, args.amp, args.seed, args.overwrite, args.debug_nan)


if __name__ == '__main__':
    main()
