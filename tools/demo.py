"""Train and compare the methods on ToyStreets: one command, one table."""

import argparse
import sys
from pathlib import Path

from cfcontra_mm.benchmark import load_study, run_study
from cfcontra_mm.errors import InputError

STUDY = Path('configs/benchmarks/demo_toystreets.py')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        '--seeds', type=int, nargs='+', default=[], help="default: the study's own"
    )
    parser.add_argument('--out', type=Path, default=Path('work_dirs/demo'))
    parser.add_argument(
        '--only', nargs='+', default=[], metavar='NAME', help='start only these rows'
    )
    return parser.parse_args()


def main() -> int:
    args = parse_args()
    tools = Path(__file__).resolve().parent
    try:
        return run_study(load_study(STUDY), args.out, tools, args.seeds, args.only)
    except InputError as error:
        print(f'error: {error}', file=sys.stderr)
        return 2


if __name__ == '__main__':
    sys.exit(main())
