"""Settings that are accepted, those that are refused, and what is said of them.

tests/tools/test_wrong_inputs.py tries many more of the refused ones.
"""

from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.hooks import Hook
from mmseg.registry import HOOKS

import cfcontra_mm  # noqa: F401  registers what the configs name
from cfcontra_mm.config import open_config
from cfcontra_mm.errors import InputError
from cfcontra_mm.values import Text

CONFIGS = Path(__file__).parents[2] / 'configs'
CONFIG = CONFIGS / 'cfcontra/deeplabv2_r18_toystreets.py'
SHIPPED = sorted(p for p in CONFIGS.rglob('*.py') if 'studies' not in p.parts)
LEGITIMATE = [
    'optim_wrapper.clip_grad.max_norm=1',
    'optim_wrapper.clip_grad.max_norm=35 optim_wrapper.clip_grad.norm_type=inf',
    'optim_wrapper.clip_grad.type=value optim_wrapper.clip_grad.clip_value=1',
    'optim_wrapper.accumulative_counts=2',
    'optim_wrapper.type=AmpOptimWrapper optim_wrapper.dtype=bfloat16',
    'optim_wrapper.optimizer.amsgrad=True',
    'optim_wrapper.optimizer.betas=(0.9,0.99)',
    'optim_wrapper.optimizer.lr=0',
    'optim_wrapper.paramwise_cfg.norm_decay_mult=0',
    'optim_wrapper.paramwise_cfg.custom_keys.head.lr_mult=3',
    'param_scheduler.0.verbose=True',
    'load_from=x',
    'resume=True',
    'work_dir=/my/work,dir',
    'experiment_name=7',
    'randomness.deterministic=True',
    'randomness.seed=None',
    'compile=True',
    'sync_bn=torch',
    'find_unused_parameters=True',
    'auto_scale_lr.enable=True auto_scale_lr.base_batch_size=16',
    'env_cfg.dist_cfg.timeout=1800',
    'env_cfg.mp_cfg.opencv_num_threads=2',
    'log_processor.window_size=10',
    'log_level=DEBUG',
    'visualizer.alpha=0.5',
    'visualizer.vis_backends.0.save_dir=x',
    'custom_hooks.0.max_images=5',
    'custom_hooks.0.priority=LOW',
    'default_hooks.ema.type=EMAHook default_hooks.ema.momentum=0.1',
    'default_hooks.checkpoint.save_best=mIoU',
    'default_hooks.checkpoint.max_keep_ckpts=-1',
    'default_hooks.visualization.draw=True',
    'default_hooks.logger=None',
    'default_hooks.finite_loss=None',
    'train_dataloader.num_workers=0',
    'train_dataloader.prefetch_factor=4',
    'train_dataloader.prefetch_factor=None',
    'train_dataloader.sampler.per_domain.source=[1,2]',
    'train_dataloader.dataset.source.indices=5',
    'train_dataloader.dataset.source.ann_file=x',
    'train_dataloader.dataset.source.data_prefix.seg_map_path=a,b',
    'train_dataloader.dataset.source.metainfo.anything=5',
    'val_cfg=None val_dataloader=None val_evaluator=None',
    'val_evaluator.0.prefix=abc',
    'test_evaluator.0.output_dir=x',
    'model.test_cfg.mode=slide model.test_cfg.crop_size=(8,8) model.test_cfg.stride=5',
    'model.backbone.weights=None',
    'model.backbone.norm_cfg.eps=1e-3',
    'model.backbone.init_cfg.type=Pretrained model.backbone.init_cfg.checkpoint=x',
    'model.decode_head.dropout_ratio=0.1',
    'model.decode_head.loss_decode.class_weight=None',
    'model.decode_head.sampler.type=OHEMPixelSampler',
    'model.projection_head=None',
    'model.auxiliary_head=None',
    'model.data_preprocessor.size_divisor=32',
    'center_images=5',
]


def with_options(options, config=CONFIG):
    pairs = (option.split('=', 1) for option in options.split())
    overrides = {key: Text(value) for key, value in pairs}
    return open_config(config, overrides, origin='--cfg-options')


@pytest.mark.parametrize('options', LEGITIMATE)
def test_what_is_read_is_accepted(options):
    with_options(options)


@pytest.mark.parametrize('path', SHIPPED, ids=lambda p: str(p.relative_to(CONFIGS)))
def test_every_shipped_config_is_accepted(path):
    open_config(path)


def test_whole_groups_of_settings_may_be_new():
    ema = dict(type='EMAHook', momentum=0.1)
    stop = dict(type='EarlyStoppingHook', monitor='mIoU', patienc=1)
    cfg = open_config(
        CONFIG,
        {
            'default_hooks.ema': ema,
            'custom_hooks': [ema],
            'optim_wrapper': dict(_delete_=True, optimizer=dict(type='SGD', lr=1)),
            'model': dict(test_cfg=dict(mode='slide', crop_size=(8, 8), stride=8)),
        },
    )
    assert cfg.optim_wrapper.to_dict() == dict(optimizer=dict(type='SGD', lr=1))
    with pytest.raises(InputError, match=r'default_hooks\.stop\.patienc: unknown key'):
        open_config(CONFIG, {'default_hooks.stop': stop})


def write(tmp_path, text):
    path = tmp_path / 'mine.py'
    path.write_text(f'_base_ = {str(CONFIG)!r}\n{text}\n')
    return path


@pytest.mark.parametrize(
    'text',
    [
        'train_pipeline = []\nmy_size = (5, 5)\ncrop_size = 3\ndata_root = "x"',
        "norm_cfg = dict(type='BN')\nmodel = dict(backbone=dict(norm_cfg=norm_cfg))",
        "train_dataloader = dict(collate_fn=dict(type='pseudo_collate'))",
        "optim_wrapper = dict(constructor='TheirConstructor', groups=dict(a=1),"
        ' paramwise_cfg=dict(theirs=1))',
        'val_evaluator = [dict(type="IoUMetric", iou_metrics=["mIoU"])]',
    ],
)
def test_variables_and_what_others_read_are_accepted(tmp_path, text):
    open_config(write(tmp_path, text))


@pytest.fixture
def register(monkeypatch):
    def add(hook):
        monkeypatch.setitem(HOOKS.module_dict, hook.__name__, hook)

    return add


def test_the_arguments_of_a_base_class_are_accepted(tmp_path, register):
    class Base(Hook):
        def __init__(self, interval: int, more: int = 1) -> None:
            pass

    class Following(Base):
        def __init__(self, own: int = 1, **kwargs) -> None:
            super().__init__(**kwargs)

    class Silent(Following):
        pass

    register(Silent)
    text = 'custom_hooks = [dict(type="Silent", {})]'
    open_config(write(tmp_path, text.format('interval=1, more=2, own=3')))
    with pytest.raises(InputError, match=r'custom_hooks\.0\.mroe: .* mean .*\.more\?'):
        open_config(write(tmp_path, text.format('interval=1, mroe=2')))


def test_of_keywords_that_go_elsewhere_only_near_misses_are_refused(tmp_path, register):
    class Open(Hook):
        def __init__(self, interval: int = 1, **kwargs) -> None:
            self.kwargs = kwargs

    register(Open)
    open_config(write(tmp_path, 'custom_hooks = [dict(type="Open", colour=1)]'))
    with pytest.raises(InputError, match=r'did you mean custom_hooks\.0\.interval\?'):
        open_config(write(tmp_path, 'custom_hooks = [dict(type="Open", intervall=1)]'))


def test_a_class_may_stand_for_its_name(tmp_path):
    cfg = with_options('train_cfg.max_iters=1')
    cfg.default_hooks.checkpoint.type = HOOKS.get('CheckpointHook')
    open_config(CONFIG, {'default_hooks': cfg.default_hooks.to_dict()})


def test_types_of_modules_that_are_not_imported_are_accepted(tmp_path):
    text = "custom_imports = dict(imports=['theirs'])\nmodel = dict(type='Theirs')"
    open_config(write(tmp_path, text), import_modules=False)


def test_the_message_says_where_a_setting_comes_from(tmp_path):
    path = write(tmp_path, 'train_cfg = dict(max_iters=0)')
    with pytest.raises(InputError) as caught:
        open_config(path)
    assert str(caught.value) == (
        f'{path}: train_cfg.max_iters: must be a positive integer, not 0'
    )
    with pytest.raises(InputError, match=r'^--cfg-options: train_cfg\.max_iters: must'):
        with_options('train_cfg.max_iters=-1', path)


@pytest.mark.parametrize(
    ('option', 'said'),
    [
        ('custom_hooks.0.priority=LOW', 'priority: the config has no list custom_hook'),
        ('default_hooks.mine.interval=5', 'default_hooks.mine.type: is not set'),
    ],
)
def test_what_an_option_lacks_is_no_fault_of_the_file(option, said):
    config = CONFIGS / 'minent/deeplabv2_r18_toystreets.py'
    with pytest.raises(InputError, match=rf'^--cfg-options: .*{said}'):
        with_options(option, config)


@pytest.mark.parametrize(
    ('option', 'said'),
    [
        (
            'model.backbone.type=mmpretrain.ConvNeXt',
            'pip install onedl-mmpretrain, and',
        ),
        ('model.decode_head.type=mmdet.Head', 'pip install onedl-mmdetection, and'),
        (
            'val_evaluator.0.type=mmpose.PCK',
            'pip install mmpose, and add mmpose.models',
        ),
    ],
)
def test_a_type_of_a_library_that_is_not_installed(option, said):
    with pytest.raises(InputError, match=said):
        with_options(option)


def test_the_labels_say_how_many_classes_there_are(tmp_path):
    with pytest.raises(InputError, match='is 7, but the labels of GTA5Dataset have 19'):
        with_options('model.decode_head.num_classes=7')
    with pytest.raises(InputError, match=r'auxiliary_head\.num_classes: is 2'):
        with_options('model.auxiliary_head.num_classes=2')
    head = with_options('train_cfg.max_iters=1').model.auxiliary_head.to_dict()
    edges = dict(head, num_classes=2, loss_decode=dict(type='CrossEntropyLoss'))
    # One of several heads may learn something else than the classes.
    cfg = open_config(CONFIG, {'model.auxiliary_head': None})
    path = tmp_path / 'several.py'
    cfg.model.auxiliary_head = [head, edges]
    cfg.dump(path)
    open_config(path)
    # Those of a user's folders are counted later.
    folders = CONFIGS / 'minent/deeplabv2_r18_folders.py'
    with_options('model.decode_head.num_classes=7', folders)


def test_without_worker_processes_what_needs_them_is_reset():
    loader = with_options(
        'train_dataloader.num_workers=0 train_dataloader.prefetch_factor=2'
    ).train_dataloader
    assert (loader.num_workers, loader.persistent_workers) == (0, False)
    assert loader.prefetch_factor is None
    assert with_options('train_cfg.max_iters=1').train_dataloader.persistent_workers


def test_any_default_hook_may_be_left_out():
    hooks = open_config(CONFIG).default_hooks
    none = ' '.join(f'default_hooks.{name}=None' for name in hooks)
    left = with_options(none).default_hooks
    # MMEngine would add its own ones, which it leaves out by itself.
    assert set(left.values()) == {None}
    assert 'checkpoint' in left
    assert 'finite_loss' in hooks
    assert 'finite_loss' not in left


def test_the_files_of_a_checkout_are_found_from_anywhere(tmp_path, monkeypatch):
    on_the_fly = CONFIGS / 'cfcontra/deeplabv2_r18_toystreets_on-the-fly.py'
    key = 'train_dataloader.dataset.source.pipeline'

    def translator():
        return open_config(on_the_fly).get(key.split('.')[0]).dataset.source.pipeline[1]

    monkeypatch.chdir(CONFIGS.parent)
    assert translator().config == 'configs/adain/adain_toystreets.py'
    monkeypatch.chdir(tmp_path)
    assert translator().config == str(CONFIGS / 'adain/adain_toystreets.py')
    # Results are of the working directory, and so are their paths.
    assert translator().checkpoint.startswith('work_dirs/')


def test_paths_survive(tmp_path):
    for path in ('/my data/c.yaml', '/a,b/[x]/(y)/ü=1.yaml', '007'):
        cfg = open_config(
            CONFIGS / 'minent/deeplabv2_r18_folders.py',
            {'folders.classes': Text(path), 'folders.size': Text('64,32')},
        )
        assert cfg.folders.classes == path
        assert cfg.folders.size == [64, 32]


def test_a_config_in_another_scope_is_left_alone(tmp_path):
    path = tmp_path / 'other.py'
    path.write_text("model = dict(type='Theirs', x=1)\ntrian_cfg = dict()\n")
    assert isinstance(open_config(path, {'y': 1}), Config)
