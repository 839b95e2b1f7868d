"""Train and compare the methods on ToyStreets: one command, one table."""

import argparse
import os
import sys
from pathlib import Path

STUDY = 'configs/studies/demo_toystreets.py'
EVERY_METHOD = 'configs/studies/toystreets.py'


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog='Other options are those of tools/benchmark.py.'
    )
    parser.add_argument(
        '--all', action='store_true', help='the full study: all methods, three seeds'
    )
    args, others = parser.parse_known_args()
    benchmark = str(Path(__file__).resolve().with_name('benchmark.py'))
    study = EVERY_METHOD if args.all else STUDY
    # It replaces this process, so that signals reach the study.
    os.execv(sys.executable, [sys.executable, benchmark, study, *others])


if __name__ == '__main__':
    main()
