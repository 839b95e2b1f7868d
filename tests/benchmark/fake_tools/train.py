"""Stands in for tools/train.py: the same command line and files, in no time."""

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path

from mmengine.config import Config, DictAction

parser = argparse.ArgumentParser()
parser.add_argument('config')
parser.add_argument('--work-dir', type=Path)
parser.add_argument('--resume', action='store_true')
parser.add_argument('--seed', type=int)
parser.add_argument('--cfg-options', nargs='+', action=DictAction, default={})
args = parser.parse_args()
config = Config.fromfile(args.config)
config.merge_from_dict(args.cfg_options)
fake, max_iters = config['fake'], config['train_cfg']['max_iters']
print('train', *sys.argv[1:], flush=True)

saved = [int(p.stem.removeprefix('iter_')) for p in args.work_dir.glob('iter_*.pth')]
assert args.resume == bool(saved), 'it would start over'
start = max(saved, default=0)
if saved:
    print(f'from iter_{start}.pth', flush=True)
vis_data = args.work_dir / str(time.time_ns()) / 'vis_data'
vis_data.mkdir(parents=True)
with (vis_data / 'scalars.json').open('a') as scalars:
    for iteration in range(start + 1, max_iters + 1):
        time.sleep(fake['seconds_per_iter'])
        entry = {'iter': iteration, 'time': fake['seconds_per_iter'], 'loss': 1.0}
        if iteration == 1:
            entry['share/target.ent'] = 0.5
        print(json.dumps(entry), file=scalars, flush=True)
        if fake['fails_at'] == iteration:
            raise RuntimeError('loss is NaN')
        if fake['crashes_at'] == iteration and not args.resume:
            sys.exit(fake['exit_status'])
        if iteration % 10 == 0:
            checkpoint = args.work_dir / f'iter_{iteration}.pth'
            # First, as tests end the process when the checkpoint is there.
            (args.work_dir / 'last_checkpoint').write_text(str(checkpoint))
            checkpoint.touch()
    if fake.get('dies_validating') and not args.resume:
        os.kill(os.getpid(), signal.SIGKILL)
    validation = {'mIoU': fake['metrics'].get('mIoU'), 'step': max_iters}
    print(json.dumps(validation), file=scalars)
