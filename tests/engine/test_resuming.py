import copy
import warnings
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from cfcontra_mm.engine.resuming import (
    check_resume,
    check_unused,
    checkpoints_in,
    clear_work_dir,
    differences,
    newest_checkpoint,
    refuse_folders,
)
from cfcontra_mm.errors import InputError

SETTINGS = dict(
    model=dict(type='MinEnt', backbone=dict(depth=18), loss_entropy=dict(weight=0.01)),
    train_dataloader=dict(
        batch_size=2,
        num_workers=4,
        dataset=dict(source=dict(data_root='/old/disk/gta5', scale=(1280, 640))),
    ),
    train_cfg=dict(max_iters=100, val_interval=10),
    optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.01)),
    param_scheduler=[dict(type='PolyLR', end=100)],
    randomness=dict(seed=3),
)


def save(folder, iteration, ranks=1, settings=SETTINGS, **parts):
    """Write a checkpoint as a training does."""
    folder.mkdir(exist_ok=True)
    cfg = Config(copy.deepcopy(settings))
    meta = dict(cfg=cfg.pretty_text, iter=iteration, seed=3, world_size=ranks)
    content = dict(
        meta=meta,
        state_dict=dict(a=torch.arange(1000.0)),
        optimizer={},
        message_hub={},
    )
    path = folder / f'iter_{iteration}.pth'
    torch.save(content | parts, path)
    (folder / 'last_checkpoint').write_text(f'/somewhere/else/{path.name}')
    return path


def flip(path):
    """Damage a few weights, which torch reads without a word."""
    content = bytearray(path.read_bytes())
    place = content.index(torch.arange(1000.0).numpy().tobytes())
    content[place + 400 : place + 464] = bytes(64)
    path.write_bytes(content)


def cut(path):
    path.write_bytes(path.read_bytes()[:-500])


def empty(path):
    path.write_bytes(b'')


DAMAGES = [flip, cut, empty, Path.unlink]


def config(work_dir, **options):
    cfg = Config(copy.deepcopy(SETTINGS | dict(work_dir=str(work_dir))))
    cfg.merge_from_dict(options)
    return cfg


def test_the_newest_by_number_is_found_without_a_pointer(tmp_path):
    assert newest_checkpoint(tmp_path) is None
    for iteration in (5, 20, 100):
        save(tmp_path, iteration)
    (tmp_path / 'iter_200.pth.tmp').touch()
    (tmp_path / 'best_mIoU_iter_300.pth').touch()
    (tmp_path / 'last_checkpoint').unlink()
    assert next(p.name for p in checkpoints_in(tmp_path)) == 'iter_100.pth'
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert newest_checkpoint(tmp_path) == tmp_path / 'iter_100.pth'


@pytest.mark.parametrize('damage', DAMAGES)
def test_a_damaged_one_falls_back_to_the_newest_whole_one(tmp_path, damage):
    for iteration in (5, 10, 15):
        save(tmp_path, iteration)
    damage(tmp_path / 'iter_15.pth')
    with pytest.warns(match=r'iter_15\.pth: .*resuming from .*iter_10\.pth instead'):
        assert newest_checkpoint(tmp_path) == tmp_path / 'iter_10.pth'


@pytest.mark.parametrize('damage', DAMAGES)
def test_a_training_never_starts_over_damaged_checkpoints(tmp_path, damage):
    damage(save(tmp_path, 5))
    with pytest.raises(InputError, match=r'iter_5\.pth: .*--overwrite'):
        newest_checkpoint(tmp_path)


def test_a_checkpoint_by_another_name_is_not_the_newest(tmp_path):
    save(tmp_path, 5)
    save(tmp_path, 10).rename(tmp_path / 'iter_20.pth')
    with pytest.warns(match=r'iter_20\.pth: is of iteration 10.*iter_5\.pth instead'):
        assert newest_checkpoint(tmp_path) == tmp_path / 'iter_5.pth'


def test_weights_that_are_not_finite_are_not_the_newest(tmp_path):
    save(tmp_path, 5)
    save(tmp_path, 10, state_dict=dict(a=torch.tensor(float('nan'))))
    with pytest.warns(match=r'1 weights are not finite.*iter_5\.pth instead'):
        assert newest_checkpoint(tmp_path) == tmp_path / 'iter_5.pth'


@pytest.mark.parametrize('name', ['iter_5.pth', 'last_checkpoint', '.lock'])
def test_a_folder_in_the_place_of_a_file_is_refused(tmp_path, name):
    refuse_folders(tmp_path)
    (tmp_path / name).mkdir()
    with pytest.raises(InputError, match=f'{name}: is a folder'):
        refuse_folders(tmp_path)


@pytest.mark.parametrize('content', ['', '\0\0', '/moved/away/iter_5.pth', 'none.pth'])
def test_a_broken_or_stale_pointer_does_not_matter(tmp_path, content):
    path = save(tmp_path, 5)
    (tmp_path / 'last_checkpoint').write_text(content)
    assert newest_checkpoint(tmp_path) == path


def test_a_damaged_one_is_refused_by_name(tmp_path):
    flip(path := save(tmp_path, 5))
    with pytest.raises(InputError, match=r'iter_5\.pth: damaged \(wrong checksum'):
        check_resume(path, config(tmp_path), 1)


@pytest.mark.parametrize(
    'options',
    [
        {'train_dataloader.num_workers': 0},
        {'train_cfg.val_interval': 50},
        {'train_cfg.max_iters': 200},
        {'optim_wrapper.type': 'BFloat16OptimWrapper'},
        {'train_dataloader.dataset.source.data_root': '/new/disk/gta5'},
        {'train_dataloader.dataset.source.scale': [1280, 640]},
        {'randomness.seed': None},
        {'custom_hooks': []},
        {'custom_hooks': [dict(type='EmptyCacheHook')]},
        {'model.test_cfg': dict(mode='slide', crop_size=(8, 8), stride=(4, 4))},
        {'model.backbone.with_cp': True, 'model.backbone.weights': 'other.pth'},
        {'train_dataloader.timeout': 60},
        {'default_hooks': dict(checkpoint=dict(interval=3))},
    ],
)
def test_what_may_change_when_a_training_is_resumed(tmp_path, options):
    check_resume(save(tmp_path, 5), config(tmp_path, **options), 1)


CHANGES = [
    ({'optim_wrapper.optimizer.lr': 1e-5}, 'optimizer.lr is 0.01 there and 1e-05 here'),
    ({'model.type': 'CLAN'}, "model.type is 'MinEnt' there and 'CLAN' here"),
    ({'model.loss_entropy.weight': 1.0}, 'weight is 0.01 there and 1.0 here'),
    ({'train_dataloader.batch_size': 4}, 'batch_size is 2 there and 4 here'),
    ({'train_dataloader.dataset.source.data_root': '/x/synthia'}, 'synthia'),
    ({'train_cfg.max_iters': 50}, 'max_iters is 100 there and only 50 here'),
    ({'param_scheduler.0.end': 50}, r'param_scheduler.0.end is 100 there and 50'),
    ({'randomness.seed': 4}, 'the seed is 3 there and 4 here'),
    ({'optim_wrapper.clip_grad': dict(max_norm=1)}, 'clip_grad is None there'),
    ({'custom_hooks': [dict(type='MemoryBankHook')]}, 'a group of 1 here'),
]


@pytest.mark.parametrize(('options', 'said'), CHANGES)
def test_a_change_that_resume_cannot_honour_is_named(tmp_path, options, said):
    path = save(tmp_path, 5)
    way_out = rf'load_from={path} and another --work-dir'
    with pytest.raises(InputError, match=f'of another run: .*{said}.*{way_out}'):
        check_resume(path, config(tmp_path, **options), 1)


def test_another_number_of_ranks_is_named(tmp_path):
    with pytest.raises(InputError, match=r'2 processes there and 1 here'):
        check_resume(save(tmp_path, 5, ranks=2), config(tmp_path), 1)


def test_the_method_is_named_before_its_settings(tmp_path):
    save(tmp_path, 5)
    options = {'model.loss_entropy.weight': 1, 'model.type': 'CLAN'}
    other = config(tmp_path, **options, **{'optim_wrapper.optimizer.lr': 1.0})
    with pytest.raises(InputError, match=r'run: model\.type .* and 1 more differ;'):
        check_resume(tmp_path / 'iter_5.pth', other, 1)


@pytest.mark.parametrize(
    ('parts', 'said'),
    [
        (dict(optimizer=None), 'no optimizer'),
        (dict(meta={}), r'no meta\.iter'),
        (dict(meta=dict(iter='abc')), r'no meta\.iter'),
        (dict(message_hub=3), 'no message_hub'),
    ],
)
def test_weights_alone_cannot_be_resumed(tmp_path, parts, said):
    path = save(tmp_path, 5, **parts)
    with pytest.raises(InputError, match=f'cannot be resumed.*{said}.*load_from='):
        check_resume(path, config(tmp_path), 1)


def test_a_config_that_is_not_of_values_alone_is_not_compared(tmp_path):
    checkpoint = dict(meta=dict(cfg='model = open("x")', seed=3))
    assert differences(checkpoint, config(tmp_path), 1) == []


def test_a_work_dir_is_not_overwritten_unasked(tmp_path):
    check_unused(config(tmp_path / 'new'), 1)
    check_unused(config(tmp_path), 1)
    save(tmp_path, 5)
    with pytest.raises(InputError, match=r'iter_5\.pth of this run; .*--overwrite'):
        check_unused(config(tmp_path), 1)


def test_a_work_dir_of_another_run_is_refused_with_the_difference(tmp_path):
    save(tmp_path, 5)
    flip(save(tmp_path, 10))
    other = config(tmp_path, **{'model.type': 'CLAN'})
    with pytest.raises(
        InputError, match=r"iter_10\.pth of another run \(model.type is 'MinEnt' there"
    ):
        check_unused(other, 1)


def test_a_resumed_training_writes_beside_its_own_checkpoints_alone(tmp_path):
    own, other = (save(tmp_path / name, 5) for name in ('own', 'other'))
    check_unused(config(own.parent), 1, own)
    with pytest.raises(InputError, match='of another run'):
        check_unused(config(other.parent), 1, own)


def test_overwriting_deletes_a_run_and_nothing_else(tmp_path):
    save(tmp_path, 5)
    kept = [tmp_path / 'notes.txt', tmp_path / 'photos' / '1.png', tmp_path / 'x.pth']
    logs = [tmp_path / f'20260101_10101{n}' / 'scalars.json' for n in range(2)]
    for path in (*kept, *logs):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / 'iter_6.pth').mkdir()
    (tmp_path / '20260101_101012').symlink_to(tmp_path / 'photos')
    clear_work_dir(tmp_path, keep=logs[1].parent.name)
    left = sorted(path for path in tmp_path.rglob('*') if path.is_file())
    assert left == sorted([*kept, logs[1]])
    assert not (tmp_path / '20260101_101012').is_symlink()
