import argparse
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import build_method, tiny_config
from mmengine.logging import HistoryBuffer
from mmengine.model import BaseModel
from mmengine.runner import Runner, find_latest_checkpoint
from mmengine.runner.checkpoint import CheckpointLoader
from mmseg.registry import MODELS
from torch import nn

from cfcontra_mm.engine.checkpoints import (
    AtomicCheckpointHook,
    AtomicLocalBackend,
    build_segmentor,
    check_weights,
    dataset_meta,
    use_safe_loading,
)
from cfcontra_mm.errors import InputError
from cfcontra_mm.models import weights
from cfcontra_mm.models.weights import read_checkpoint, weights_of

TRANSLATOR = dict(
    type='AdaINStyleTransfer',
    encoder=dict(type='VGGEncoder', channels=(4, 8), convs=(2,)),
    style_weight=1.0,
)


class Runs:
    """Pickles to a call."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


def test_reads_what_mmengine_saves(tmp_path):
    history = HistoryBuffer([1.0, 2.0], [1, 1])
    info = dict(best=np.float32(3), palette=np.zeros((2, 3), np.uint8), n=np.int64(4))
    saved = dict(state_dict=dict(a=torch.ones(2)), message_hub=dict(h=history, i=info))
    torch.save(saved, tmp_path / 'a.pth')
    read = read_checkpoint(tmp_path / 'a.pth')
    assert read['message_hub']['h'].statistics('max') == 2
    assert read['message_hub']['i']['best'] == 3
    assert read['message_hub']['i']['palette'].dtype == np.uint8


@pytest.mark.parametrize('legacy', [False, True])
def test_runs_no_code_unless_trusted(tmp_path, legacy):
    path, mark = tmp_path / 'evil.pth', tmp_path / 'ran'
    evil = dict(state_dict={}, extra=Runs(Path.touch, mark))
    torch.save(evil, path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(InputError, match=r'evil\.pth: .*--trust-checkpoint'):
        read_checkpoint(path)
    assert not mark.exists()
    read_checkpoint(path, trust=True)
    assert mark.exists()


@pytest.mark.parametrize(
    ('owner', 'name'), [(HistoryBuffer, '__init__'), (np.ndarray, 'tofile')]
)
def test_history_opens_no_other_attribute(tmp_path, owner, name):
    torch.save(dict(a=Runs(getattr, owner, name)), tmp_path / 'a.pth')
    with pytest.raises(InputError, match='trust-checkpoint'):
        read_checkpoint(tmp_path / 'a.pth')


def test_refusal_names_what_the_file_holds(tmp_path):
    torch.save(dict(args=argparse.Namespace(x=1)), tmp_path / 'a.pth')
    with pytest.raises(InputError, match=r'\(argparse\.Namespace\)'):
        read_checkpoint(tmp_path / 'a.pth')


def damaged(kind, path):
    torch.save(dict(a=torch.zeros(1000)), path)
    content = path.read_bytes()
    if kind == 'zip':
        with zipfile.ZipFile(path, 'w') as archive:
            archive.writestr('a.txt', 'hello')
        return
    contents = dict(
        truncated=content[:-500],
        text=b'hello, no checkpoint\n',
        empty=b'',
        image=b'\x89PNG\r\n\x1a\n' + bytes(100),
    )
    path.write_bytes(contents[kind])


@pytest.mark.parametrize('kind', ['truncated', 'text', 'empty', 'image', 'zip'])
def test_damaged_file(tmp_path, kind):
    path = tmp_path / 'a.pth'
    damaged(kind, path)
    with pytest.raises(InputError, match=r'a\.pth: truncated or not a checkpoint'):
        read_checkpoint(path)


def test_missing_file_and_other_content(tmp_path):
    with pytest.raises(InputError, match='no such checkpoint'):
        read_checkpoint(tmp_path / 'none.pth')
    torch.save([1, 2], tmp_path / 'list.pth')
    with pytest.raises(InputError, match='not a checkpoint'):
        read_checkpoint(tmp_path / 'list.pth')


def test_config_that_mmengine_would_run_is_dropped(tmp_path):
    torch.save(dict(meta=dict(config='import os', iter=3)), tmp_path / 'a.pth')
    assert read_checkpoint(tmp_path / 'a.pth')['meta'] == dict(iter=3)


@pytest.fixture
def own_loader(monkeypatch):
    monkeypatch.setattr(CheckpointLoader, '_schemes', CheckpointLoader._schemes.copy())
    monkeypatch.setenv('TORCH_FORCE_WEIGHTS_ONLY_LOAD', '0')
    monkeypatch.setattr(weights, '_trusted', False)


def test_mmengine_loads_as_safely(tmp_path, own_loader):
    path, mark = tmp_path / 'evil.pth', tmp_path / 'ran'
    torch.save(dict(a=Runs(Path.touch, mark)), path)
    use_safe_loading()
    with pytest.raises(InputError, match='trust-checkpoint'):
        CheckpointLoader.load_checkpoint(str(path))
    with pytest.raises(pickle.UnpicklingError):
        torch.load(path, weights_only=False)  # as for a download
    assert not mark.exists()


def test_mmengine_loads_what_is_trusted(tmp_path, own_loader):
    torch.save(dict(a=argparse.Namespace(x=1)), tmp_path / 'a.pth')
    use_safe_loading(trust=True)
    loaded = CheckpointLoader.load_checkpoint(str(tmp_path / 'a.pth'))
    assert loaded['a'].x == 1


@pytest.fixture(scope='module')
def model():
    return build_method(tiny_config('cfcontra').model)


def test_weights_of_the_model_pass(model):
    wrapped = {f'module.{k}': v for k, v in model.state_dict().items()}
    check_weights(model, weights_of(dict(state_dict=wrapped)), 'a.pth')


def test_other_number_of_classes(model):
    cfg = tiny_config('cfcontra').model
    cfg.decode_head.num_classes = cfg.auxiliary_head.num_classes = 11
    with pytest.raises(InputError, match=r'a\.pth: .* 11 classes.* 19'):
        check_weights(model, build_method(cfg).state_dict(), 'a.pth')


def test_other_width(model):
    state = dict(
        model.state_dict(), **{'backbone.conv1.weight': torch.zeros(4, 3, 7, 7)}
    )
    with pytest.raises(
        InputError, match=r'size mismatch for backbone\.conv1\.weight, \(4,'
    ):
        check_weights(model, state, 'a.pth')


@pytest.mark.parametrize('value', [float('nan'), float('inf')])
def test_weights_that_are_not_finite(model, value):
    weight = model.state_dict()['backbone.conv1.weight'].clone()
    weight[0, 0, 0, 0] = value
    state = dict(model.state_dict(), **{'backbone.conv1.weight': weight})
    with pytest.raises(InputError, match=r'a\.pth: 1 weights are not finite.*conv1'):
        check_weights(model, state, 'a.pth')


@pytest.mark.parametrize(('share', 'passes'), [(0.04, True), (0.06, False)])
def test_missing_weights(model, share, passes):
    # The method's own modules must not count for or against.
    parts = ('backbone.', 'decode_head.', 'auxiliary_head.')
    names = [k for k in model.state_dict() if k.startswith(parts)]
    names = [k for k in names if not k.endswith('num_batches_tracked')]
    gone = names[: int(share * len(names))]
    state = {k: v for k, v in model.state_dict().items() if k not in gone}
    if passes:
        check_weights(model, state, 'a.pth')
    else:
        with pytest.raises(InputError, match=f'keys: {len(gone)} of {len(names)},'):
            check_weights(model, state, 'a.pth')


def test_dataset_meta():
    meta = dict(classes=['a'], palette=[[1, 2, 3]], label_map=None)
    read = dataset_meta(dict(meta=dict(dataset_meta=meta)), 'a.pth')
    assert read == dict(classes=['a'], palette=[[1, 2, 3]])
    with pytest.raises(InputError, match='holds no classes'):
        dataset_meta(dict(meta={}), 'a.pth')


@pytest.mark.parametrize(
    ('classes', 'palette'),
    [
        (['a'], 'xyz'),
        (['a', 'b'], [[1, 2, 3]]),
        (['a', 'b'], [[1, 2, 3], [4, 5]]),
        (['a'], [[1, 2, 256]]),
        (['a'], [[1, 2, -1]]),
        (['a'], [[0.5, 1, 2]]),
        (['a'], None),
        ([], []),
        ('abc', [[1, 2, 3]] * 3),
        (5, [[1, 2, 3]]),
        ([1], [[1, 2, 3]]),
    ],
)
def test_classes_without_a_colour_each(classes, palette):
    meta = dict(classes=classes, palette=palette)
    with pytest.raises(InputError, match=r'a\.pth: its meta\.dataset_meta holds no'):
        dataset_meta(dict(meta=dict(dataset_meta=meta)), 'a.pth')


@pytest.mark.parametrize('number', [18, 20, 19])
def test_as_many_classes_as_the_network_has(number):
    cfg = tiny_config('minent')
    meta = dict(classes=['a'] * number, palette=[[1, 2, 3]] * number)
    state_dict = build_method(cfg.model).state_dict()
    checkpoint = dict(meta=dict(dataset_meta=meta), state_dict=state_dict)
    if number == 19:
        build_segmentor(cfg, checkpoint, 'a.pth', 'cpu')
        return
    with pytest.raises(InputError, match=rf'names {number} classes .* has 19'):
        build_segmentor(cfg, checkpoint, 'a.pth', 'cpu')


def test_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    backend, path = AtomicLocalBackend(), tmp_path / 'new' / 'a.pth'
    backend.put(b'old', path)

    def killed(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr('os.fsync', killed)
    with pytest.raises(KeyboardInterrupt):
        backend.put(b'newer', path)
    assert path.read_bytes() == b'old'
    monkeypatch.undo()
    backend.put(b'newer', path)
    assert path.read_bytes() == b'newer'
    assert list(path.parent.iterdir()) == [path]


class Line(BaseModel):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(1, 1)

    def forward(self, numbers, mode='loss'):
        return dict(loss=self.layer(numbers.float()).square().mean())


def run(work_dir, name, resume=False, iters=4, keep=2):
    hook = dict(
        type='AtomicCheckpointHook',
        by_epoch=False,
        interval=1,
        max_keep_ckpts=keep,
    )
    runner = Runner(
        Line(),
        str(work_dir),
        train_dataloader=dict(
            dataset=[torch.tensor([i]) for i in range(4)],
            batch_size=2,
            sampler=dict(type='InfiniteSampler'),
            collate_fn=lambda rows: [torch.stack(rows)],
        ),
        train_cfg=dict(by_epoch=False, max_iters=iters),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1, momentum=0.9)),
        default_hooks=dict(checkpoint=hook),
        resume=resume,
        experiment_name=name,
        default_scope='mmseg',
        randomness=dict(seed=0),
    )
    runner.train()
    return runner


def kept(work_dir):
    return sorted(path.name for path in work_dir.glob('*.pth*'))


def test_hook_keeps_the_newest(tmp_path):
    run(tmp_path, 'newest')
    assert kept(tmp_path) == ['iter_3.pth', 'iter_4.pth']
    run(tmp_path, 'resumed', resume=True, iters=6)
    assert kept(tmp_path) == ['iter_5.pth', 'iter_6.pth']
    assert read_checkpoint(tmp_path / 'iter_6.pth')['meta']['iter'] == 6


def test_run_killed_while_saving_can_resume(tmp_path, monkeypatch):
    put = AtomicLocalBackend.put

    def killed(self, content, path):
        if Path(path).name != 'iter_3.pth':
            return put(self, content, path)
        Path(f'{path}.tmp').write_bytes(content[: len(content) // 2])
        raise KeyboardInterrupt

    monkeypatch.setattr(AtomicLocalBackend, 'put', killed)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, 'killed', keep=1)
    monkeypatch.undo()
    last = find_latest_checkpoint(str(tmp_path))
    assert Path(last).name == 'iter_2.pth'
    assert read_checkpoint(last)['meta']['iter'] == 2
    run(tmp_path, 'again', resume=True, keep=1)
    assert 'iter_4.pth' in kept(tmp_path)
    assert 'iter_2.pth' not in kept(tmp_path)


def test_a_translators_weights_are_checked_too():
    model = MODELS.build(TRANSLATOR)
    check_weights(model, model.state_dict(), 'a.pth')
    wider = TRANSLATOR | dict(encoder=TRANSLATOR['encoder'] | dict(channels=(4, 9)))
    for other in (wider, None):
        state = MODELS.build(other).state_dict() if other else {}
        with pytest.raises(InputError, match=r'a\.pth: .*use the config'):
            check_weights(model, state, 'a.pth')


@pytest.mark.parametrize('key', ['filename_tmpl', 'out_dir'])
def test_checkpoints_have_the_names_by_which_they_are_found(key):
    with pytest.raises(InputError, match=rf'checkpoint\.{key}: .*--work-dir'):
        AtomicCheckpointHook(by_epoch=False, **{key: 'it_{}.pth'})


def test_the_state_of_another_optimiser_is_not_resumed(tmp_path):
    run(tmp_path, 'whole')
    path = tmp_path / 'iter_4.pth'
    checkpoint = torch.load(path, weights_only=False)
    checkpoint['optimizer']['param_groups'][0]['params'].pop()
    torch.save(checkpoint, path)
    with pytest.raises(InputError, match='its optimiser has other parameters'):
        run(tmp_path, 'other optimiser', resume=True, iters=6)
