"""Write images of both domains as training sees them, the source with labels."""

import argparse
from pathlib import Path

from cfcontra_mm.analysis.browse import browse
from cfcontra_mm.command_line import (
    ArgumentParser,
    add_config_arguments,
    command_line,
    output_folder,
    positive,
)
from cfcontra_mm.engine.launch import load_config


def parse_args() -> argparse.Namespace:
    parser = ArgumentParser(description=__doc__)
    add_config_arguments(parser)
    parser.add_argument('--num', type=positive, default=8, help='images per domain')
    parser.add_argument('--out', type=output_folder, default='browse', metavar='FOLDER')
    return parser.parse_args()


@command_line
def main() -> None:
    args = parse_args()
    cfg = load_config(args.config, args.cfg_options, args.network, args.pair)
    written = browse(cfg, args.num, Path(args.out))
    print(f'wrote {len(written)} images to {args.out}')


if __name__ == '__main__':
    main()
