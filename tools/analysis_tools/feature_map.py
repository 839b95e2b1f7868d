"""Collect pixel features of both domains from a checkpoint, laid out by t-SNE.

Draw one or several such files with tools/analysis_tools/draw_feature_map.py. Labels of
both domains are read, to select and colour the pixels.
"""

import argparse

from cfcontra_mm.analysis.feature_map import write_features
from cfcontra_mm.analysis.features import collect_features
from cfcontra_mm.command_line import (
    ArgumentParser,
    add_config_arguments,
    add_trust_argument,
    command_line,
    output_file,
)
from cfcontra_mm.engine.launch import load_config


def parse_args() -> argparse.Namespace:
    parser = ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_config_arguments(parser)
    parser.add_argument('checkpoint', help='checkpoint of tools/train.py')
    parser.add_argument(
        '--classes',
        nargs='+',
        default=[],
        metavar='NAME',
        help='default: the most common ones',
    )
    parser.add_argument('--out', type=output_file, default='features.npz')
    add_trust_argument(parser)
    return parser.parse_args()


@command_line
def main() -> None:
    args = parse_args()
    cfg = load_config(args.config, args.cfg_options, args.network, args.pair)
    features = collect_features(
        cfg, args.checkpoint, args.classes, args.trust_checkpoint
    )
    write_features(features, args.out)
    print(f'wrote {args.out}')


if __name__ == '__main__':
    main()
