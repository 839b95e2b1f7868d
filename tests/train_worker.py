"""Trains the tiny network of a method, in this process or in one of its own."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from multiprocessing import get_context
from pathlib import Path

import mmengine
import torch
from helpers import narrow_discriminators, tiny_config
from mmengine.config import Config
from mmengine.runner import Runner

ITERATIONS = 4
SECONDS = 300


def moved(node: object, root: str) -> None:
    """Let every data set under a config read from another folder."""
    for key, value in node.items():
        if isinstance(value, dict):
            moved(value, root)
        elif key == 'data_root':
            node[key] = value.replace('data/toystreets', root)


def training(folder: str, root: str, work_dir: str, **options) -> Config:
    """The config of a short training on a tiny ToyStreets pair."""
    cfg = tiny_config(folder)
    moved(cfg, root)
    num_workers = options.pop('num_workers', 0)
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        loader.update(num_workers=num_workers, persistent_workers=num_workers > 0)
    cfg.train_dataloader.batch_size = 4
    cfg.train_dataloader.sampler.per_domain = dict(source=2, target=2)
    cfg.train_cfg.max_iters = ITERATIONS
    cfg.train_cfg.val_interval = ITERATIONS
    cfg.default_hooks.checkpoint.interval = 2
    cfg.work_dir = work_dir
    cfg.experiment_name = work_dir.replace('/', '_')
    cfg.merge_from_dict(options)
    return cfg


def train(folder: str, root: str, work_dir: str, **options) -> None:
    """Train and leave checkpoints iter_2.pth and iter_4.pth in the folder."""
    torch.set_num_threads(1)
    with narrow_discriminators():
        runner = Runner.from_cfg(training(folder, root, work_dir, **options))
    runner.train()


def train_elsewhere(jobs: list[dict]) -> None:
    """Run trainings one after the other, each in a process of its own."""
    run = subprocess.run(
        [sys.executable, __file__],
        input=json.dumps(jobs),
        env=os.environ | dict(PYTHONPATH=str(Path(__file__).parents[1])),
        timeout=SECONDS,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr[-3000:]


def main(jobs: list[dict]) -> None:
    """Run each job in a fork of this process, which has loaded all it needs."""
    # Formatting and reporting take longer than the training.
    mmengine.config.config.FormatCode = lambda text, **kwargs: (text, True)
    mmengine.runner.runner.collect_env = dict
    Runner.from_cfg(training(**jobs[0]))
    gc.freeze()
    for job in jobs:
        process = get_context('fork').Process(target=train, kwargs=job)
        process.start()
        process.join()
        if process.exitcode:
            sys.exit(f'failed: {job}')


if __name__ == '__main__':
    main(json.load(sys.stdin))
