"""Label your own images with a trained checkpoint.

Writes for each image IMAGE.png, a palette PNG of class indices in the classes' colours,
and IMAGE_overlay.jpg, the colours painted over the image.
"""

import argparse

from cfcontra_mm.command_line import (
    ArgumentParser,
    add_trust_argument,
    command_line,
    output_folder,
)
from cfcontra_mm.engine.checkpoints import load_segmentor
from cfcontra_mm.engine.inference import find_images, label_images


def parse_args() -> argparse.Namespace:
    parser = ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('checkpoint', help='checkpoint that tools/train.py wrote')
    parser.add_argument('images', help='an image or a folder of images')
    parser.add_argument('--out', required=True, type=output_folder, metavar='DIR')
    add_trust_argument(parser)
    return parser.parse_args()


@command_line
def main() -> None:
    args = parse_args()
    images = find_images(args.images, args.out)
    model = load_segmentor(args.checkpoint, args.trust_checkpoint)
    label_images(model, images)


if __name__ == '__main__':
    main()
