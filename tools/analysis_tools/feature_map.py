"""Show the pixel features of both domains in the plane, as in CFContra's Figure 1.

First collect the features of each network, then draw them side by side.
"""

import argparse
from pathlib import Path

from cfcontra_mm.analysis.arguments import add_config_arguments, named_path
from cfcontra_mm.analysis.feature_map import (
    draw_feature_map,
    read_features,
    write_features,
)
from cfcontra_mm.analysis.output import write_picture
from cfcontra_mm.engine.launch import command_line, load_config


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    actions = parser.add_subparsers(dest='action', required=True)
    collect = actions.add_parser('collect', help='run a network and keep its features')
    add_config_arguments(collect)
    collect.add_argument('checkpoint', type=Path)
    collect.add_argument(
        '--classes', nargs='+', default=[], help='default: the most frequent six'
    )
    collect.add_argument('--out', type=Path, default='features.npz')
    draw = actions.add_parser('draw', help='draw features side by side')
    draw.add_argument('features', type=named_path, nargs='+', metavar='TITLE=FILE.npz')
    draw.add_argument('--out', type=Path, default='feature_map.png')
    return parser.parse_args()


@command_line
def main() -> None:
    args = parse_args()
    if args.action == 'draw':
        found = {title: read_features(path) for title, path in args.features}
        write_picture(draw_feature_map(found), args.out)
    else:
        from cfcontra_mm.analysis.features import collect_features

        cfg = load_config(args.config, args.cfg_options)
        write_features(collect_features(cfg, args.checkpoint, args.classes), args.out)
    print(f'wrote {args.out}')


if __name__ == '__main__':
    main()
