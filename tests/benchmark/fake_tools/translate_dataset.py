"""Stands in for tools/translate_dataset.py: copies the missing images."""

import argparse
import runpy
import shutil
import sys
import time
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument('config')
parser.add_argument('checkpoint', type=Path)
parser.add_argument('--out', type=Path)
parser.add_argument('--seed', type=int)
parser.add_argument('--cfg-options', nargs='+', default=[])
args = parser.parse_args()
config = runpy.run_path(args.config)
print('translate', *sys.argv[1:], flush=True)
assert args.checkpoint.exists()

unfinished = args.out / 'translation.unfinished.json'
if not unfinished.exists():
    assert not list(args.out.iterdir()), 'the folder is of no translation'
unfinished.touch()
for image in sorted(Path(config['data_root'], 'images').iterdir()):
    if not (args.out / image.name).exists():
        time.sleep(config['fake']['seconds_per_iter'])
        print('copied', image.name, flush=True)
        shutil.copy(image, args.out / image.name)
unfinished.rename(args.out / 'translation.json')
