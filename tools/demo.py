"""Train and compare the methods on ToyStreets: one command, one table."""

import argparse
import sys
from pathlib import Path

from cfcontra_mm.benchmark import load_study, run_study
from cfcontra_mm.errors import InputError

STUDY = Path('configs/benchmarks/demo_toystreets.py')
EVERY_METHOD = Path('configs/benchmarks/toystreets.py')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        '--seeds', type=int, nargs='+', default=[], help="default: the study's own"
    )
    parser.add_argument('--out', type=Path, help='default: work_dirs/STUDY')
    parser.add_argument(
        '--all', action='store_true', help='every method, three seeds: the full study'
    )
    parser.add_argument(
        '--only', nargs='+', default=[], metavar='NAME', help='start only these rows'
    )
    return parser.parse_args()


def main() -> int:
    args = parse_args()
    tools = Path(__file__).resolve().parent
    try:
        study = load_study(EVERY_METHOD if args.all else STUDY)
        out = args.out or Path('work_dirs', study.name)
        return run_study(study, out, tools, args.seeds, args.only)
    except InputError as error:
        print(f'error: {error}', file=sys.stderr)
        return 2


if __name__ == '__main__':
    sys.exit(main())
