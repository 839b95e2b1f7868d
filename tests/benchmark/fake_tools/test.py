"""Stands in for tools/test.py: writes the metrics named in the config."""

import argparse
import json
import time
from pathlib import Path

import numpy as np
from mmengine.config import Config, DictAction
from PIL import Image

parser = argparse.ArgumentParser()
parser.add_argument('config')
parser.add_argument('checkpoint', type=Path)
parser.add_argument('--work-dir', type=Path)
parser.add_argument('--out', type=Path)
parser.add_argument('--statistics', choices=['both'], required=True)
parser.add_argument('--cfg-options', nargs='+', action=DictAction, default={})
args = parser.parse_args()
config = Config.fromfile(args.config)
print('test', args.checkpoint, flush=True)
assert args.checkpoint.exists()

stamp = str(time.time_ns())
(args.work_dir / stamp).mkdir(parents=True)
metrics = {**config['fake']['metrics'], 'time': 0.1, 'data_time': 0.0}
(args.work_dir / stamp / f'{stamp}.json').write_text(json.dumps(metrics))
args.out.mkdir(exist_ok=True)
ious = [int(metrics.get(f'IoU.{name}', 0)) for name in ('road', 'sky')]
images = sorted(Path(config['data_root']).glob('images/*.png'))
np.savez(
    args.out / 'per_image.npz',
    names=[image.stem for image in images],
    classes=['road', 'sky'],
    intersection=np.tile(ious, (len(images), 1)),
    union=np.full((len(images), 2), 100),
)
for image in images:
    Image.fromarray(np.zeros((32, 64), np.uint8)).save(args.out / image.name)
