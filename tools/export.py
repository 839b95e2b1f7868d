"""Export a checkpoint as a plain MMSegmentation config and checkpoint.

Writes model.py and model.pth, which run without this package:
mmseg.apis.init_model('DIR/model.py', 'DIR/model.pth'). First both models predict an
image; if the predictions differ, nothing is written.
"""

import argparse

from cfcontra_mm.command_line import (
    ArgumentParser,
    add_trust_argument,
    command_line,
    output_folder,
)
from cfcontra_mm.engine.export import export_checkpoint


def parse_args() -> argparse.Namespace:
    parser = ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('checkpoint', help='checkpoint that tools/train.py wrote')
    parser.add_argument('--out', required=True, type=output_folder, metavar='DIR')
    add_trust_argument(parser)
    return parser.parse_args()


@command_line
def main() -> None:
    args = parse_args()
    config, checkpoint = export_checkpoint(
        args.checkpoint, args.out, args.trust_checkpoint
    )
    print(f'wrote {config} and {checkpoint}')


if __name__ == '__main__':
    main()
