"""Print the share of each loss in the gradient on the backbone, at a checkpoint.

Each figure is the mean over batches, with the range in brackets: the norm of the loss's
gradient, its share of the sum of all norms, its ratio to that of the main head's
supervised loss, its cosine to the gradient of all supervised losses, and what clipping
leaves of the whole gradient.
"""

import argparse

from cfcontra_mm.analysis.loss_shares import collect_loss_shares, table_of_shares
from cfcontra_mm.command_line import (
    ArgumentParser,
    add_config_arguments,
    add_trust_argument,
    command_line,
    positive,
    seed,
)
from cfcontra_mm.engine.launch import load_config


def parse_args() -> argparse.Namespace:
    parser = ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_config_arguments(parser)
    parser.add_argument('checkpoint', help='checkpoint of tools/train.py')
    parser.add_argument(
        '--batches', type=positive, default=10, help='the next ones of the training'
    )
    parser.add_argument('--seed', type=seed, help="of the draws; default: the config's")
    add_trust_argument(parser)
    return parser.parse_args()


@command_line
def main() -> None:
    args = parse_args()
    cfg = load_config(args.config, args.cfg_options, args.network, args.pair)
    basis, shares = collect_loss_shares(
        cfg, args.checkpoint, args.batches, args.seed, args.trust_checkpoint
    )
    print(table_of_shares(basis, shares))


if __name__ == '__main__':
    main()
