"""Stands in for tools/analysis_tools/feature_map.py: the same command line and file."""

import argparse
import sys
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument('config')
parser.add_argument('checkpoint', type=Path)
parser.add_argument('--out', type=Path)
parser.add_argument('--cfg-options', nargs='+', default=[])
args = parser.parse_args()
print('features', *sys.argv[1:], flush=True)
if not args.checkpoint.exists():
    sys.exit('no checkpoint')
args.out.write_text('features')
