"""Checkpoints: checked against the model and written atomically."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.dist import get_world_size, is_main_process
from mmengine.fileio import LocalBackend, register_backend
from mmengine.hooks import CheckpointHook
from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.runner import Runner
from mmengine.runner.checkpoint import CheckpointLoader, load_state_dict
from mmseg.apis import init_model
from mmseg.models import BaseSegmentor, EncoderDecoder
from mmseg.registry import HOOKS
from torch import Size, Tensor, nn

from cfcontra_mm.errors import InputError
from cfcontra_mm.files import whole_file
from cfcontra_mm.models.parts import PARTS
from cfcontra_mm.models.weights import (
    RUNNING,
    read_checkpoint,
    trust_files,
    weights_of,
)

from .checkpoint_config import checkpoint_config
from .finite_losses import check_before_saving, not_finite

PREDICTING = tuple(f'{part}.' for part in PARTS)
"""Prefixes of the weights that a prediction depends on."""

MIN_COVERAGE = 0.95
"""Share of these weights that a checkpoint must hold."""

HEADS = ('decode_head.', 'auxiliary_head.')
"""Prefixes of the weights whose size may depend on the number of classes."""


def use_safe_loading(trust: bool = False) -> None:
    """Make MMEngine read every checkpoint as :func:`read_checkpoint` does.

    MMEngine's loader falls back to running a file's code with a mere warning.

    Args:
        trust: Whether the files may hold any Python object.
    """
    trust_files(trust)
    if not trust:  # for downloads too
        os.environ['TORCH_FORCE_WEIGHTS_ONLY_LOAD'] = '1'

    @CheckpointLoader.register_scheme(prefixes='', force=True)
    def load_from_local(filename: str, map_location: str | None = None) -> dict:
        return read_checkpoint(Path(filename).expanduser(), map_location, trust)


def check_weights(
    model: nn.Module, state_dict: Mapping[str, Tensor], name: str
) -> None:
    """Make sure that a state dict matches a model.

    Only the backbone and the heads of a segmentor are compared, all of a translator.

    Args:
        model: Model that is to load the weights.
        state_dict: Weights by the model's names.
        name: Name of the checkpoint, for the messages.

    Raises:
        InputError: The number of classes or a weight's size differs, less than
            ``MIN_COVERAGE`` of the model's weights are there, or some are not finite.
    """
    check_finite(state_dict, name)
    own = {
        key: value.shape
        for key, value in model.state_dict().items()
        if not key.endswith('num_batches_tracked')
    }
    own = {key: own[key] for key in own if key.startswith(PREDICTING)} or own
    for key in own.keys() & state_dict.keys():
        if own[key] != state_dict[key].shape:
            difference = _difference(model, key, own[key], state_dict[key].shape)
            raise _mismatch(name, difference)
    missing = [key for key in own if key not in state_dict]
    if len(missing) > (1 - MIN_COVERAGE) * len(own):
        difference = f'missing keys: {len(missing)} of {len(own)}, such as {missing[0]}'
        raise _mismatch(name, difference)


def segmentor_of(runner: Runner) -> nn.Module:
    """Return the model, without the wrapper of ranks or of augmented tests."""
    model = runner.model
    while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
        model = model.module
    return model


def check_finite(state_dict: Mapping[str, Tensor], name: str) -> None:
    """Make sure that weights are finite.

    Args:
        state_dict: Weights by name.
        name: Name of the checkpoint, for the message.

    Raises:
        InputError: Some are not.
    """
    if bad := not_finite(state_dict):
        raise InputError(
            f'{name}: {len(bad)} weights are not finite, such as {bad[0]}; choose an '
            'earlier checkpoint'
        )


def _mismatch(name: str, difference: str) -> InputError:
    return InputError(
        f'{name}: checkpoint does not match the model: {difference}; use the config '
        'that it was trained with'
    )


def _difference(model: nn.Module, key: str, own: Size, saved: Size) -> str:
    """Say how the sizes of a weight differ: in the number of classes, or otherwise."""
    head = isinstance(model, EncoderDecoder) and key.startswith(HEADS)
    if head and own[0] == model.num_classes and own[1:] == saved[1:]:
        return f'it was trained for {saved[0]} classes, the config has {own[0]}'
    return f'size mismatch for {key}, {tuple(saved)} instead of {tuple(own)}'


def load_segmentor(path: str | Path, trust: bool = False) -> BaseSegmentor:
    """Build the segmentor of a checkpoint from the config that it holds.

    Args:
        path: Checkpoint that ``tools/train.py`` wrote.
        trust: Whether the file may hold any Python object.

    Returns:
        The segmentor, ready to predict, with its config as ``cfg`` and its classes and
        palette in ``dataset_meta``.

    Raises:
        InputError: The checkpoint cannot be used.
    """
    checkpoint = read_checkpoint(path, trust=trust)
    cfg = checkpoint_config(checkpoint, path, trust)
    return build_segmentor(cfg, checkpoint, path, get_device())


def build_segmentor(
    cfg: Config, checkpoint: dict, name: str | Path, device: str
) -> BaseSegmentor:
    """Build the segmentor of a checkpoint and load its weights.

    Args:
        cfg: As :func:`checkpoint_config` gives it.
        checkpoint: As :func:`read_checkpoint` gives it.
        name: Name of the checkpoint, for the messages.
        device: Device of the segmentor.

    Raises:
        InputError: The checkpoint cannot be used.
    """
    model = init_model(cfg, device=device)
    state_dict = weights_of(checkpoint)
    check_weights(model, state_dict, str(name))
    load_state_dict(model, state_dict)
    model.dataset_meta = dataset_meta(checkpoint, name)
    named = len(model.dataset_meta['classes'])
    wanted = getattr(model, 'num_classes', named)
    if named != wanted:
        raise InputError(
            f'{name}: names {named} classes (meta.dataset_meta), but its network has '
            f'{wanted}; restore it or choose another'
        )
    return model


def dataset_meta(checkpoint: dict, name: str | Path) -> dict:
    """Return the ``classes`` of a checkpoint and their ``palette``.

    Raises:
        InputError: The checkpoint does not hold them, or no colour for each class.
    """
    meta = checkpoint['meta'].get('dataset_meta')
    if not isinstance(meta, dict) or not {'classes', 'palette'} <= meta.keys():
        raise InputError(
            f'{name}: holds no classes and palette (meta.dataset_meta); give a '
            'checkpoint that tools/train.py wrote'
        )
    if not _are_names(meta['classes']) or not _is_palette(
        meta['palette'], len(meta['classes'])
    ):
        raise InputError(
            f'{name}: its meta.dataset_meta holds no list of class names with a colour '
            'of three integers in 0-255 for each; restore it or choose another'
        )
    return {key: meta[key] for key in ('classes', 'palette')}


def _are_names(classes: object) -> bool:
    if not isinstance(classes, list | tuple) or not classes:
        return False
    return all(isinstance(name, str) for name in classes)


def _is_palette(palette: Any, number: int) -> bool:
    try:
        colours = np.asarray(palette)
    except ValueError:  # ragged
        return False
    is_integer = colours.dtype.kind in 'iu' and colours.shape == (number, 3)
    return is_integer and colours.min() >= 0 and colours.max() <= 255


class AtomicLocalBackend(LocalBackend):
    """MMEngine's local files, each written under a temporary name and then renamed."""

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write bytes; the old file stays until all are on the disk."""
        with whole_file(Path(filepath)) as temporary, temporary.open('wb') as file:
            file.write(obj)
            file.flush()
            os.fsync(file.fileno())


register_backend('local_atomic', AtomicLocalBackend, force=True)


@HOOKS.register_module()
class AtomicCheckpointHook(CheckpointHook):
    """MMEngine's ``CheckpointHook`` for runs that may be killed at any time.

    A checkpoint gets its name only when it is complete, and an outdated one is deleted
    only after ``last_checkpoint`` names the new one. Weights that are not finite are
    not saved (:class:`FiniteLossHook`). A checkpoint that does not match the model is
    refused before it is loaded (:func:`check_weights`).

    Args:
        **kwargs: As for ``CheckpointHook``, but for the names of files and folders.

    Raises:
        InputError: A name is given: checkpoints could not be found again.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(backend_args=dict(backend='local_atomic'), **kwargs)
        if self.out_dir is not None:
            raise _misplaced('out_dir')
        if self.filename_tmpl not in ('iter_{}.pth', 'epoch_{}.pth'):
            raise _misplaced('filename_tmpl')
        self._digest = ''

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Check the weights that were read against the model.

        Its statistics become the running ones; those of a test are estimated anew.
        """
        checkpoint.get('state_dict', checkpoint).update(checkpoint.get(RUNNING, {}))
        if runner._resume:
            self._check_images(runner, checkpoint)
            _check_optimizer(runner, checkpoint)
        model, name = segmentor_of(runner), runner._load_from or 'checkpoint'
        check_weights(model, weights_of(checkpoint), name)

    def _check_images(self, runner: Runner, checkpoint: dict) -> None:
        """Refuse to resume on other images, wherever they are."""
        digest = checkpoint['meta'].get('images')
        if digest not in (None, self._images(runner)):
            raise InputError(
                f'{runner._load_from or "the checkpoint"}: was trained on other images '
                'than those of train_dataloader; set their folders'
            )

    def _images(self, runner: Runner) -> str:
        """Return a digest of the names of the training images."""
        if not self._digest:
            datasets = getattr(runner.train_dataloader.dataset, 'datasets', [])
            names = (
                PurePath(dataset.get_data_info(index).get('img_path', '')).name
                for dataset in datasets
                if hasattr(dataset, 'get_data_info')
                for index in range(len(dataset))
            )
            self._digest = hashlib.sha256('\n'.join(names).encode()).hexdigest()
        return self._digest

    def save_now(self, runner: Runner, iteration: int) -> None:
        """Save a checkpoint of an iteration that has just ended, unless it exists.

        Raises:
            InputError: A loss or a weight is not finite.
        """
        name = self.filename_tmpl.format(iteration)
        if Path(self.last_ckpt or '').name != name:
            meta = dict(epoch=runner.epoch, iter=iteration)
            self._save_checkpoint_with_step(runner, iteration, meta)

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        check_before_saving(runner)
        meta = dict(meta, world_size=get_world_size(), images=self._images(runner))
        outdated = self._note_step(runner, step)
        name = self.filename_tmpl.format(step)
        self.last_ckpt = self.file_backend.join_path(self.out_dir, name)
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        runner.save_checkpoint(
            self.out_dir,
            name,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=self.by_epoch,
            backend_args=self.backend_args,
        )
        if is_main_process():
            last = Path(runner.work_dir, 'last_checkpoint')
            self.file_backend.put(self.last_ckpt.encode(), last)
            if outdated and self.file_backend.isfile(outdated):
                self.file_backend.remove(outdated)

    def _note_step(self, runner: Runner, step: int) -> str | None:
        """Keep a step; return the checkpoint that it makes outdated, if any."""
        if self.max_keep_ckpts <= 0 or step in self.keep_ckpt_ids:
            return None
        full = len(self.keep_ckpt_ids) == self.max_keep_ckpts
        oldest = self.keep_ckpt_ids.popleft() if full else None
        self.keep_ckpt_ids.append(step)
        runner.message_hub.update_info('keep_ckpt_ids', list(self.keep_ckpt_ids))
        if oldest is None:
            return None
        name = self.filename_tmpl.format(oldest)
        return self.file_backend.join_path(self.out_dir, name)


def new_run_from(name: str | Path) -> str:
    """Return the advice about a checkpoint of which only the weights are of use."""
    return (
        f'start a new run from its weights, with --cfg-options load_from={name} and '
        'another --work-dir'
    )


def _misplaced(key: str) -> InputError:
    return InputError(
        f'default_hooks.checkpoint.{key}: a training resumes from iter_N.pth in its '
        'work dir; remove it, and choose the folder with --work-dir'
    )


def _check_optimizer(runner: Runner, checkpoint: dict) -> None:
    """Refuse to resume from the state of another optimiser."""
    name = runner._load_from or 'the checkpoint'
    theirs, ours = checkpoint.get('optimizer'), runner.optim_wrapper.state_dict()
    if _group_sizes(theirs) != _group_sizes(ours):
        raise InputError(
            f'{name}: its optimiser has other parameters than the network has; '
            f'{new_run_from(name)}'
        )


def _group_sizes(state: object) -> object:
    """Return the number of parameters of each group of one optimiser or several."""
    if not isinstance(state, dict):
        return None
    if 'param_groups' in state:
        return [len(group['params']) for group in state['param_groups']]
    return {name: _group_sizes(part) for name, part in state.items()}
