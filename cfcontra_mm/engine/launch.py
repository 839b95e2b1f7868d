"""Training and testing a config: folders, processes and MMEngine's ``Runner``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import ExitStack
from multiprocessing.util import register_after_fork
from pathlib import Path
from typing import TextIO

from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.runner import Runner

from cfcontra_mm.config import open_config, refuse_study, run_name
from cfcontra_mm.datasets.check_data import check_data
from cfcontra_mm.datasets.folders import apply_folders
from cfcontra_mm.errors import InputError
from cfcontra_mm.files import is_within, locked
from cfcontra_mm.old_names import old_attributes

from .amp import enable_amp
from .checkpoints import use_safe_loading
from .processes import init_distributed, on_first_rank, place_of, start_group
from .resuming import (
    OverwriteHook,
    check_resume,
    check_unused,
    newest_checkpoint,
    refuse_folders,
)
from .stopping import deaf_children, stoppable, train_to_the_end

BUSY = (
    '{}: another training is running in it; wait until it has ended, or choose another '
    '--work-dir'
)

_MISSING = (
    'sets no {}; give the config of a run, and folders.val_images and '
    'folders.val_labels to test on your own folders'
)


def setup_config(args: argparse.Namespace, needs: Sequence[str]) -> Config:
    """Read the config of a run; set up its folders, work dir and processes.

    Args:
        args: ``config`` and the options that ``add_run_arguments`` adds.
        needs: Keys that the config must have.

    Raises:
        InputError: The config cannot be used.
    """
    use_safe_loading(args.trust_checkpoint)
    cfg = load_config(args.config, args.cfg_options, args.network, args.pair)
    for key in needs:
        if cfg.get(key) is None:
            raise InputError(f'{args.config}: {_MISSING.format(key)}')
    if args.work_dir:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        method = Path(args.config).resolve().parent.name
        name = run_name(args.config, args.network, args.pair)
        cfg.work_dir = str(Path('work_dirs', method, name))
    init_distributed(cfg, args.launcher, args.local_rank)
    return cfg


def load_config(
    path: str, options: dict, network: str | None = None, pair: str | None = None
) -> Config:
    """Read a config, override some settings and fill in a user's own folders.

    Args:
        path: Config file.
        options: Settings by dotted key.
        network: See :func:`~cfcontra_mm.config.open_config`.
        pair: Likewise.

    Raises:
        InputError: The file is missing or broken, or an option does not fit.
    """
    cfg = open_config(path, options, network=network, pair=pair, origin='--cfg-options')
    refuse_study(cfg, path)
    if cfg.get('folders') is not None:
        apply_folders(cfg)
    return cfg


def train(
    cfg: Config,
    resume: str | None,
    amp: bool,
    seed: int | None,
    overwrite: bool = False,
    debug_nan: Path | None = None,
) -> None:
    """Train a config.

    Args:
        cfg: As :func:`setup_config` gives it.
        resume: Checkpoint to resume from; 'auto' for the newest in the work dir.
        amp: Whether to train in mixed precision.
        seed: Random seed; the config's own if ``None``.
        overwrite: Whether to delete another training in the work dir.
        debug_nan: File for a batch whose losses are not finite.

    Raises:
        InputError: The batch size does not match the domains' shares of the batch, the
            checkpoint does not exist or is of another run, or the work dir is in use.
        Stopped: A signal has ended the training.
    """
    _set_options(cfg, amp, seed, debug_nan)
    if resume is None and cfg.get('resume'):
        resume = cfg.get('load_from') or 'auto'
    _, ranks = place_of(cfg.get('launcher', 'none'))
    refuse_folders(Path(cfg.work_dir))
    start = _resume(cfg, resume, ranks) if resume else None
    if not overwrite:
        check_unused(cfg, ranks, start)
    if cfg.get('load_from'):
        _check_exists(cfg.load_from)
    start_group(cfg)
    with ExitStack() as guards:
        on_first_rank(lambda: _prepare(cfg, guards))
        guards.enter_context(stoppable())
        runner = Runner.from_cfg(cfg)
        if overwrite and is_main_process():
            runner.register_hook(OverwriteHook())
        train_to_the_end(runner)


def _prepare(cfg: Config, guards: ExitStack) -> None:
    """Check the data and lock the work dir."""
    print(check_data(cfg), flush=True)
    lock = guards.enter_context(
        locked(Path(cfg.work_dir, '.lock'), BUSY.format(cfg.work_dir))
    )
    # Else data workers that outlive a killed training would hold it.
    register_after_fork(lock, _close)


def _set_options(
    cfg: Config, amp: bool, seed: int | None, debug_nan: Path | None
) -> None:
    _check_batch(cfg.train_dataloader)
    if amp:
        enable_amp(cfg)
    if seed is not None:
        cfg.merge_from_dict(dict(randomness=dict(seed=seed)))
    if debug_nan:
        hook = cfg.default_hooks.setdefault('finite_loss', dict(type='FiniteLossHook'))
        hook.update(interval=1, debug_file=str(debug_nan))


def _close(file: TextIO) -> None:
    file.close()


def _resume(cfg: Config, resume: str, ranks: int) -> Path | None:
    """Set the checkpoint that a training resumes from; return it, if there is one."""
    if resume == 'auto':
        start = newest_checkpoint(Path(cfg.work_dir))
    else:
        _check_exists(resume)
        start = Path(resume)
    if start is None:
        print(
            f'{cfg.work_dir} has no checkpoint; starting from iteration 0', flush=True
        )
        return None
    check_resume(start, cfg, ranks)
    cfg.resume, cfg.load_from = True, str(start)
    return start


def test(
    cfg: Config,
    checkpoint: str,
    out: str | None,
    show_dir: str | None,
    tta: bool,
    statistics: str | None,
) -> None:
    """Measure a checkpoint on the test data.

    Args:
        cfg: As :func:`setup_config` gives it.
        checkpoint: Checkpoint file.
        out: Folder for the predictions, PNGs of class indices.
        show_dir: Folder for images with the prediction painted over.
        tta: Whether to average over the config's test-time augmentations.
        statistics: ``'target'`` or ``'running'`` instead of the config's; ``'both'`` to
            measure under the others too. See :class:`.statistics.StatisticsHook`.

    Raises:
        InputError: The checkpoint does not exist, or the config has no test-time
            augmentation.
    """
    _check_exists(checkpoint)
    cfg.load_from, cfg.resume = checkpoint, False
    if out:
        evaluators = cfg.test_evaluator
        first = evaluators[0] if isinstance(evaluators, list) else evaluators
        folder = _image_folder(cfg.test_dataloader.dataset)
        first.update(output_dir=out, image_folder=folder)
    _check_output(cfg)
    _set_statistics(cfg, statistics)
    if show_dir:
        cfg.default_hooks.visualization = dict(type='SegVisualizationHook', draw=True)
        cfg.visualizer.save_dir = show_dir
    if tta:
        for key in ('tta_pipeline', 'tta_model'):
            if cfg.get(key) is None:
                raise InputError(f'--tta: the config sets no {key}')
        cfg.test_dataloader.dataset.pipeline = cfg.tta_pipeline
        cfg.model = dict(cfg.tta_model, module=cfg.model)
    with deaf_children():
        Runner.from_cfg(cfg).test()


def _set_statistics(cfg: Config, statistics: str | None) -> None:
    hooks = dict(cfg.get('default_hooks') or {})
    # A config of an earlier version has no such hook.
    default = dict(type='StatisticsHook', statistics='running', num_images=200)
    hook = dict(hooks.get('statistics') or default)
    if statistics == 'both':
        hook['compare'] = True
    elif statistics is not None:
        hook['statistics'] = statistics
    cfg.default_hooks = hooks | dict(statistics=hook)


def _check_output(cfg: Config) -> None:
    """Refuse to write predictions among the images or the labels."""
    evaluators = cfg.test_evaluator
    evaluators = evaluators if isinstance(evaluators, list) else [evaluators]
    dataset = cfg.test_dataloader.dataset
    for folder in (dataset.get('data_prefix') or {}).values():
        read = Path(dataset.get('data_root') or '', folder)
        for out in filter(None, (e.get('output_dir') for e in evaluators)):
            if is_within(out, read):
                raise InputError(
                    f'{out}: is or lies in a folder of the test set ({folder}); choose '
                    'another --out'
                )


def _image_folder(dataset: dict) -> str | None:
    """Return the folder of the images of a data set, whose subfolders are kept."""
    folder = (dataset.get('data_prefix') or {}).get('img_path')
    return folder and str(Path(dataset.get('data_root') or '', folder))


def _check_batch(loader: dict) -> None:
    per_domain = loader['sampler'].get('per_domain')
    numbers = per_domain.values() if isinstance(per_domain, dict) else ()
    if not numbers or not all(isinstance(n, int | list | tuple) for n in numbers):
        return  # the sampler reports it
    total = sum(n if isinstance(n, int) else sum(n) for n in numbers)
    if total != loader['batch_size']:
        raise InputError(
            f'train_dataloader.batch_size is {loader["batch_size"]}, but sampler.'
            f'per_domain adds up to {total}; make them equal'
        )


def _check_exists(checkpoint: str) -> None:
    """Refuse a missing checkpoint before the data sets are read, which takes long."""
    if '://' not in checkpoint and not Path(checkpoint).is_file():
        raise InputError(f'{checkpoint}: no such checkpoint file')


__getattr__ = old_attributes(__name__)
