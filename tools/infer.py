"""Label your own pictures with a trained checkpoint.

Writes for each picture PICTURE.png, a palette PNG of class indices in the classes'
colours, and PICTURE_overlay.jpg, the colours over the picture.
"""

import argparse

from cfcontra_mm.command_line import add_trust_argument, command_line
from cfcontra_mm.engine.checkpoints import load_segmentor
from cfcontra_mm.engine.inference import find_pictures, label_pictures


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('checkpoint', help='as tools/train.py wrote it')
    parser.add_argument('pictures', help='a picture or a folder of pictures')
    parser.add_argument('--out', required=True, metavar='DIR')
    add_trust_argument(parser)
    return parser.parse_args()


@command_line
def main() -> None:
    args = parse_args()
    pictures = find_pictures(args.pictures, args.out)
    model = load_segmentor(args.checkpoint, args.trust_checkpoint)
    label_pictures(model, pictures)


if __name__ == '__main__':
    main()
