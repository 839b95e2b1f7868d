"""Check the data of a config as before every training, and describe them."""

import argparse

from cfcontra_mm.command_line import add_config_arguments, command_line
from cfcontra_mm.datasets.check_data import check_data
from cfcontra_mm.engine.launch import load_config


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add_config_arguments(parser)
    return parser.parse_args()


@command_line
def main() -> None:
    args = parse_args()
    cfg = load_config(args.config, args.cfg_options, args.network, args.pair)
    print(check_data(cfg))


if __name__ == '__main__':
    main()
