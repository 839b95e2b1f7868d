"""Draw feature maps side by side, such as before and after adaptation."""

import argparse

from cfcontra_mm.analysis import draw_feature_map, read_features
from cfcontra_mm.analysis.output import write_image
from cfcontra_mm.command_line import (
    ArgumentParser,
    command_line,
    named_path,
    output_file,
)


def parse_args() -> argparse.Namespace:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument(
        'features',
        type=named_path,
        nargs='+',
        metavar='TITLE=FEATURES',
        help='a heading and the file that feature_map.py wrote',
    )
    parser.add_argument('--out', type=output_file, default='feature_map.png')
    return parser.parse_args()


@command_line
def main() -> None:
    args = parse_args()
    features = {title: read_features(path) for title, path in args.features}
    write_image(draw_feature_map(features), args.out)
    print(f'wrote {args.out}')


if __name__ == '__main__':
    main()
