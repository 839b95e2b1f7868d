"""Every wrong input gets one line, exit status 2, and leaves nothing behind.

To add a case, add a line to a table: the arguments, and what the message says.
"""

import logging
import os
import runpy
import shlex
import subprocess
import sys
import warnings
from pathlib import Path
from unittest import mock

import pytest
import torch

ROOT = Path(__file__).parents[2]
MINENT = 'configs/minent/deeplabv2_r18_toystreets.py'
CFCONTRA = 'configs/cfcontra/deeplabv2_r18_toystreets.py'
CLAN = 'configs/clan/deeplabv2_r18_toystreets.py'
DACS = 'configs/dacs/deeplabv2_r18_toystreets.py'
ON_THE_FLY = 'configs/cfcontra/deeplabv2_r18_toystreets_on-the-fly.py'
R101 = 'configs/minent/deeplabv2_r101_gta2city.py'
FOLDERS = 'configs/minent/deeplabv2_r18_folders.py'
ADAIN = 'configs/adain/adain_toystreets.py'
CAMVID = 'configs/studies/camvid.py'

# Settings by config, KEY=VALUE and what the message says beside the key.
KEYS = {
    MINENT: [
        ('trian_cfg.max_iters=1', 'did you mean train_cfg?'),
        ('train_cfg.max_iter=1', 'did you mean train_cfg.max_iters?'),
        ('train_cfg.val_intervall=1', 'did you mean train_cfg.val_interval?'),
        ('val_cfg.fp17=True', 'did you mean val_cfg.fp16?'),
        ('default_hooks.checkpoint.intervall=5', 'default_hooks.checkpoint.interval?'),
        ('default_hooks.checkpoint.colour=red', 'nothing reads it'),
        (
            'default_hooks.loss_shares.intervall=5',
            'default_hooks.loss_shares.interval?',
        ),
        (
            'default_hooks.chekpoint.interval=5',
            'did you mean default_hooks.checkpoint?',
        ),
        (
            'default_hooks.logger.intreval=5',
            'did you mean default_hooks.logger.interval?',
        ),
        ('default_hooks.mine.interval=5', 'default_hooks.mine.type: is not set'),
        ('default_hooks.timer=5', 'is a group of settings'),
        ('default_hooks.ema=5', 'must be a dict or None'),
        ('train_dataloader.num_worker=1', 'did you mean train_dataloader.num_workers?'),
        ('train_dataloader.batchsize=1', 'did you mean train_dataloader.batch_size?'),
        ('train_dataloader=5', 'is a group of settings'),
        ('train_dataloader.sampler.perdomain.source=1', 'sampler.per_domain?'),
        ('train_dataloader.sampler.per_domain.sorce=1', 'per_domain.source?'),
        ('train_dataloader.dataset.sorce.data_root=x', 'dataset.source?'),
        ('train_dataloader.dataset.source.dataroot=x', 'source.data_root?'),
        (
            'train_dataloader.dataset.source.data_prefix.img_pth=x',
            'data_prefix.img_path?',
        ),
        ('val_dataloader.dataset.pipeline.0.to_float=True', 'to_float32?'),
        ('optim_wrapper.optimizer.learning_rate=1', 'choose from amsgrad'),
        ('optim_wrapper.optimizer.weight_deca=1', 'optimizer.weight_decay?'),
        ('optim_wrapper.optimiser.lr=1', 'did you mean optim_wrapper.optimizer?'),
        ('optim_wrapper.clip_grad.max_nrm=1', 'clip_grad.max_norm?'),
        ('optim_wrapper.accumulative_count=1', 'optim_wrapper.accumulative_counts?'),
        ('optim_wrapper.paramwise_cfg.norm_decay=0', 'paramwise_cfg.norm_decay_mult?'),
        (
            'optim_wrapper.paramwise_cfg.custom_keys.head.lr=1',
            'choose from decay_mult, lr_mult',
        ),
        ('optim_wrapper.discriminator.optimizer.lr=1', 'unknown key'),
        ('param_scheduler.0.powr=1', 'did you mean param_scheduler.0.power?'),
        ('randomness.sead=1', 'did you mean randomness.seed?'),
        ('env_cfg.cudnn_bench=True', 'did you mean env_cfg.cudnn_benchmark?'),
        ('env_cfg.mp_cfg.start_method=fork', 'mp_cfg.mp_start_method?'),
        ('visualizer.vis_backend.0.type=X', 'did you mean visualizer.vis_backends?'),
        ('log_processor.windowsize=1', 'did you mean log_processor.window_size?'),
        ('model.decode_hed.num_classes=19', 'did you mean model.decode_head?'),
        ('model.decode_head.colour=red', 'nothing reads it'),
        ('model.backbone.detph=18', 'did you mean model.backbone.depth?'),
        ('model.loss_entropi.decode.loss_weight=1', 'did you mean model.loss_entropy?'),
        (
            'model.loss_entropy.dcode.loss_weight=1',
            'did you mean model.loss_entropy.decode?',
        ),
        ('model.loss_entropy.decode.weight=1', 'loss_entropy.decode.loss_weight?'),
        ('model.data_preprocessor.men=[1,2,3]', 'data_preprocessor.mean?'),
        ('model.test_cfg.mod=slide', 'did you mean model.test_cfg.mode?'),
        ('custom_import.imports=os', 'did you mean custom_imports?'),
        ('folders.size=32,32', 'use the pair folders'),
        ('load_form=x.pth', 'did you mean load_from?'),
        ('val_evaluator.0.subset=x', 'did you mean val_evaluator.0.subsets?'),
        ('val_evaluator.9.prefix=x', 'is a list of 3'),
        ('model.backbone.depth.x=1', 'model.backbone.depth is 18'),
    ],
    CFCONTRA: [
        ('custom_hooks.0.max_image=1', 'did you mean custom_hooks.0.max_images?'),
        ('custom_hooks.0.interval=1', 'choose from max_images, priority'),
        ('model.loss_contrast.temprature=1', 'loss_contrast.temperature?'),
        ('model.treshold=0.1', 'did you mean model.threshold?'),
    ],
    CLAN: [
        ('optim_wrapper.discriminatr.optimizer.lr=1', 'optim_wrapper.discriminator?')
    ],
    FOLDERS: [
        ('folders.source_image=x', 'did you mean folders.source_images?'),
        ('folders.clases=x', 'did you mean folders.classes?'),
        ('folders.colour=x', 'unknown key'),
    ],
}
TYPES = {
    MINENT: [
        ('optim_wrapper.optimizer.type=SGDD', 'did you mean SGD?'),
        ('optim_wrapper.type=OptimWraper', 'did you mean OptimWrapper?'),
        ('default_hooks.checkpoint.type=CheckpointHok', 'did you mean CheckpointHook?'),
        ('model.type=MinEntt', 'did you mean MinEnt?'),
        ('model.backbone.type=DeepLabResNett', 'did you mean DeepLabResNet?'),
        (
            'model.decode_head.loss_decode.type=CrossEntropyLos',
            'did you mean CrossEntropyLoss?',
        ),
        ('param_scheduler.0.type=PolyLRR', 'did you mean PolyLR?'),
        ('train_dataloader.dataset.type=DomainDatset', 'did you mean DomainDataset?'),
        ('train_dataloader.sampler.type=DomainSamplr', 'did you mean DomainSampler?'),
        ('val_evaluator.0.type=IoU', 'unknown type'),
        ('train_cfg.type=IterTrainLoop', 'did you mean IterBasedTrainLoop?'),
        ('visualizer.type=Foo', 'unknown type'),
        ('visualizer.vis_backends.0.type=NeptuneVisBackend', 'pip install neptune'),
        ('visualizer.vis_backends.0.type=MLflowVisBackend', 'pip install mlflow'),
        ('val_dataloader=None', 'val_cfg=None val_evaluator=None too'),
        ('test_evaluator=None', 'test_dataloader=None test_cfg=None too'),
    ],
}
RANGES = {
    MINENT: [
        ('train_cfg.max_iters=0', 'a positive integer'),
        ('train_cfg.max_iters=-5', 'a positive integer'),
        ('train_cfg.max_iters=2.5', 'a positive integer'),
        ('train_cfg.max_iters=many', 'a positive integer'),
        ('default_hooks.loss_shares.interval=0', 'a positive integer'),
        ('train_cfg.max_iters=True', 'a positive integer'),
        ('train_cfg.max_iters=None', 'a positive integer'),
        ('train_cfg.val_interval=0', 'a positive integer'),
        ('train_cfg.val_interval=-1', 'a positive integer'),
        ('default_hooks.checkpoint.interval=0', 'a positive integer, or -1'),
        ('default_hooks.checkpoint.interval=1.5', 'a positive integer, or -1'),
        ('default_hooks.checkpoint.max_keep_ckpts=0', 'a positive integer, or -1'),
        ('default_hooks.checkpoint.max_keep_ckpts=-3', 'a positive integer, or -1'),
        ('default_hooks.checkpoint.by_epoch=5', 'True or False'),
        ('default_hooks.logger.interval=0', 'a positive integer'),
        ('default_hooks.finite_loss.interval=-1', 'a positive integer'),
        ('train_dataloader.batch_size=0', 'a positive integer'),
        ('train_dataloader.batch_size=3', 'adds up to 4'),
        ('train_dataloader.num_workers=-1', 'an integer of at least 0'),
        ('train_dataloader.num_workers=two', 'an integer of at least 0'),
        ('train_dataloader.persistent_workers=5', 'True or False'),
        ('train_dataloader.prefetch_factor=0', 'a positive integer'),
        ('train_dataloader.sampler.per_domain.source=0', 'a positive integer'),
        ('train_dataloader.sampler.per_domain.source=-2', 'a positive integer'),
        ('val_dataloader.batch_size=-1', 'a positive integer'),
        ('optim_wrapper.optimizer.lr=abc', 'a finite number of at least 0'),
        ('optim_wrapper.optimizer.lr=-1', 'a finite number of at least 0'),
        ('optim_wrapper.optimizer.lr=nan', 'a finite number of at least 0'),
        ('optim_wrapper.optimizer.lr=inf', 'a finite number of at least 0'),
        ('optim_wrapper.optimizer.lr=1e38', 'at most 1e+09, not 1e+38'),
        ('optim_wrapper.optimizer.weight_decay=1e38', 'at most 1e+09'),
        ('param_scheduler.0.power=1e38', 'at most 1e+09'),
        ('optim_wrapper.optimizer.lr=None', 'a finite number of at least 0'),
        ('optim_wrapper.optimizer.weight_decay=-1', 'a finite number of at least 0'),
        ('optim_wrapper.optimizer.betas=(0.9,2)', 'two numbers'),
        ('optim_wrapper.optimizer.eps=-1', 'a finite number of at least 0'),
        ('optim_wrapper.accumulative_counts=0', 'a positive integer'),
        ('optim_wrapper.clip_grad.max_norm=-1', 'a positive number'),
        ('optim_wrapper.clip_grad.max_norm=0', 'a positive number'),
        ('optim_wrapper.paramwise_cfg.norm_decay_mult=-1', 'of at least 0'),
        ('param_scheduler.0.power=-1', 'a positive number'),
        ('param_scheduler.0.eta_min=-1', 'of at least 0'),
        ('param_scheduler.0.begin=-1', 'an integer of at least 0'),
        ('param_scheduler.0.begin=500', 'must be below its end, 400'),
        ('param_scheduler.0.end=0', 'a positive integer'),
        ('randomness.seed=-1', 'an integer in 0-4294967295'),
        ('randomness.seed=4294967296', 'an integer in 0-4294967295'),
        ('randomness.seed=x', 'an integer in 0-4294967295'),
        ('randomness.deterministic=2', 'True or False'),
        ('model.decode_head.num_classes=0', 'a positive integer'),
        ('model.decode_head.num_classes=7', '19 classes'),
        ('model.auxiliary_head.num_classes=25', '19 classes'),
        ('model.decode_head.in_channels=-1', 'a positive integer'),
        ('model.decode_head.dropout_ratio=2', 'below 1'),
        ('model.decode_head.align_corners=5', 'True or False'),
        ('model.decode_head.loss_decode.loss_weight=-1', 'of at least 0'),
        ('model.decode_head.loss_decode.class_weight=[-1]', 'of at least 0'),
        ('model.loss_entropy.decode.loss_weight=-1', 'of at least 0'),
        ('model.loss_entropy.aux.loss_weight=nan', 'of at least 0'),
        ('model.data_preprocessor.std=[0,1,1]', 'positive numbers'),
        ('model.data_preprocessor.size_divisor=0', 'a positive integer'),
        ('model.test_cfg.mode=hole', 'one of whole, slide'),
        ('model.test_cfg.crop_size=(0,32)', 'a pair of them'),
        ('model.test_cfg.mode=slide', 'model.test_cfg.crop_size: is not set'),
        ('model.backbone=None', 'must be a dict'),
        ('center_images=0', 'a positive integer'),
        ('stylising_workers=-1', 'an integer of at least 0'),
        ('log_processor.window_size=0', 'a positive integer'),
        ('log_level=LOUD', 'one of DEBUG'),
        ('env_cfg.mp_cfg.mp_start_method=knife', 'one of fork'),
        ('env_cfg.resource_limit=0', 'a positive integer'),
        ('resume=maybe', 'True or False'),
        ('custom_hooks=5', 'a list of dicts'),
        ('tta_pipeline.1.transforms.0.0.scale_factor=-1', 'a positive number'),
        ('tta_pipeline.1.transforms.1.0.prob=2', 'a number in 0-1'),
    ],
    CFCONTRA: [
        ('model.loss_contrast.temperature=-1', 'a positive number'),
        ('model.loss_contrast.temperature=0', 'a positive number'),
        ('model.loss_contrast.loss_weight=-1', 'of at least 0'),
        ('model.threshold=-1', 'of at least 0'),
        ('model.momentum=2', 'a number in 0-1'),
        ('model.terms=some', 'one of all, intra'),
        ('model.cross_update=3', 'True or False'),
        ('custom_hooks.0.max_images=0', 'a positive integer'),
        ('custom_hooks.0.max_images=-5', 'a positive integer'),
    ],
    CLAN: [
        ('model.local_weight=-1', 'of at least 0'),
        ('model.epsilon=-1', 'of at least 0'),
        ('model.warm_up=2', 'a number in 0-1'),
        ('model.focal_gamma=-1', 'of at least 0'),
        ('model.loss_adversarial.loss_weight=-1', 'of at least 0'),
        ('optim_wrapper.discriminator.optimizer.lr=-1', 'of at least 0'),
    ],
    DACS: [
        ('model.momentum=-0.1', 'a number in 0-1'),
        ('model.threshold=1.5', 'a number in 0-1'),
    ],
    ON_THE_FLY: [
        ('train_dataloader.dataset.source.pipeline.1.alpha=2', 'a number in 0-1'),
        ('train_dataloader.dataset.source.pipeline.1.prob=-1', 'a number in 0-1'),
        ('train_dataloader.dataset.source.pipeline.1.style_scale=(0,5)', 'a pair'),
    ],
    R101: [
        ('optim_wrapper.optimizer.momentum=2', 'below 1'),
        ('optim_wrapper.optimizer.momentum=-1', 'below 1'),
        ('optim_wrapper.paramwise_cfg.custom_keys.head.lr_mult=-1', 'of at least 0'),
        ('train_dataloader.dataset.source.pipeline.3.scale=(0,720)', 'a pair of them'),
    ],
    FOLDERS: [
        ('folders.size=0,256', 'width,height'),
        ('folders.size=512', 'width,height'),
        ('folders.size=a,b', 'width,height'),
    ],
    ADAIN: [
        ('model.style_weight=-1', 'of at least 0'),
        ('model.encoder.channels=(0,32)', 'a positive integer'),
        ('val_dataloader.sampler.num_batches=0', 'a positive integer'),
        ('default_hooks.style_sheet.num_rows=0', 'a positive integer'),
        ('param_scheduler.0.end=-5', 'a positive integer'),
        (
            'train_dataloader.dataset.source.pipeline.1.crop_size=(0,8)',
            'a pair of them',
        ),
    ],
}
# Lines of a user's own config on top of a shipped one.
FILES = [
    (
        'trian_cfg = dict(max_iters=1)',
        'trian_cfg: unknown key; did you mean train_cfg?',
    ),
    ('defaults_hooks = dict()', 'did you mean default_hooks?'),
    ('train_cfg = dict(max_iter=1)', 'train_cfg.max_iter: unknown key'),
    ('default_hooks = dict(checkpoint=dict(intervall=5))', 'checkpoint.intervall'),
    ('model = dict(decode_head=dict(clases=3))', 'model.decode_head.clases'),
    ("optim_wrapper = dict(optimizer=dict(lr='fast'))", 'optim_wrapper.optimizer.lr'),
    ('train_dataloader = dict(num_workers=-2)', 'train_dataloader.num_workers'),
    ('randomness = dict(sed=1)', 'randomness.sed: unknown key'),
    ('train_cfg = 5', 'train_cfg'),
    ('model = dict(', 'not a config'),
    ('1 / 0', 'not a config (ZeroDivisionError'),
    ("_base_ = 'none.py'", 'none.py: no such config file'),
]
DAMAGED = ('list', 'meta', 'values', 'names', 'nothing', 'text', 'cut', 'config')
OUT = '--num-source 2 --num-target 2 --num-val 2 --size 64x32'
LINES = [
    # The options of each tool.
    ('train.py', '', 'the following arguments are required: config'),
    ('train.py', 'none.py', 'none.py: no such config file'),
    ('train.py', f'{MINENT} --sead 1', 'did you mean --seed?'),
    ('train.py', f'{MINENT} --seed -1', '--seed'),
    ('train.py', f'{MINENT} --seed 1.5', '--seed'),
    ('train.py', f'{MINENT} --seed 4294967296', '--seed'),
    ('train.py', f'{MINENT} --launcher slurm', 'SLURM_PROCID is not set'),
    ('train.py', f'{MINENT} --launcher pytorch', 'RANK is not set'),
    ('train.py', f'{MINENT} --launcher mpi', 'OMPI_COMM_WORLD_RANK is not set'),
    ('train.py', f'{MINENT} --launcher pbs', '--launcher: invalid choice'),
    ('train.py', f'{MINENT} --cfg-options train_cfg.max_iters', 'is not KEY=VALUE'),
    ('train.py', f'{MINENT} --cfg-options =5', 'is not KEY=VALUE'),
    ('train.py', f'{MINENT} --cfg-options a=my data', "'data' is not KEY=VALUE"),
    ('train.py', f'{MINENT} --network segfomer_b0', 'segformer_b0'),
    ('train.py', f'{MINENT} --pair gta2town', 'gta2city'),
    ('train.py', f'{MINENT} --pair none.py', 'pair none.py: no such file'),
    ('train.py', f'{MINENT} --work-dir file.txt', 'file.txt is no folder'),
    ('train.py', f'{MINENT} --work-dir file.txt/below', 'file.txt is no folder'),
    ('train.py', CAMVID, 'is a study'),
    ('train.py', 'configs', 'configs'),
    ('train.py', 'file.txt', 'file.txt: not a config'),
    ('train.py', f'{FOLDERS} --cfg-options folders.classes=none.yaml', 'none.yaml'),
    ('train.py', f'{MINENT} --resume none.pth', 'none.pth'),
    ('train.py', f'{MINENT} --cfg-options load_from=none.pth', 'none.pth'),
    ('test.py', MINENT, 'the following arguments are required: checkpoint'),
    ('test.py', f'{MINENT} none.pth', 'none.pth: no such checkpoint file'),
    ('test.py', f'{MINENT} list.pth --out file.txt', 'file.txt is no folder'),
    ('test.py', f'{MINENT} list.pth --show-dir file.txt/a', 'file.txt is no folder'),
    ('test.py', f'{MINENT} list.pth --work-dir file.txt', 'file.txt is no folder'),
    ('test.py', f'{ADAIN} list.pth', 'sets no test_dataloader'),
    ('test.py', f'{MINENT} list.pth --cfg-options val_dataloder=1', 'val_dataloader?'),
    ('test.py', f'{MINENT} list.pth --cfg-options model.momentm=1', 'model.momentm'),
    ('test.py', f'{MINENT} list.pth --launcher slurm', 'SLURM_PROCID is not set'),
    ('infer.py', 'list.pth', 'required'),
    ('infer.py', 'none.pth images --out o', 'none.pth: no such checkpoint file'),
    ('infer.py', 'list.pth none --out o', 'none'),
    ('infer.py', 'list.pth images --out file.txt', 'file.txt is no folder'),
    ('infer.py', 'list.pth images --out file.txt/below', 'file.txt is no folder'),
    ('infer.py', 'list.pth empty --out o', 'empty'),
    ('export.py', 'list.pth', 'required: --out'),
    ('export.py', 'none.pth --out o', 'none.pth: no such checkpoint file'),
    ('export.py', 'list.pth --out file.txt', 'file.txt is no folder'),
    ('export.py', 'list.pth --out o --trust', 'list.pth'),
    *(('infer.py', f'{name}.pth images --out o', f'{name}.pth') for name in DAMAGED),
    *(('export.py', f'{name}.pth --out o', f'{name}.pth') for name in DAMAGED),
    ('translate_dataset.py', f'{ADAIN} none.pth --out o', 'none.pth'),
    ('translate_dataset.py', f'{ADAIN} list.pth --out o', 'list.pth'),
    ('translate_dataset.py', f'{ADAIN} list.pth --out file.txt', 'is no folder'),
    ('translate_dataset.py', f'{ADAIN} list.pth --out o --alpha 2', '--alpha'),
    ('translate_dataset.py', f'{ADAIN} list.pth --out o --alpha nan', '--alpha'),
    ('translate_dataset.py', f'{ADAIN} list.pth --out o --alpha x', '--alpha'),
    ('translate_dataset.py', f'{ADAIN} list.pth --out o --seed -1', '--seed'),
    ('translate_dataset.py', f'{ADAIN} list.pth --out o --direction up', '--direction'),
    ('translate_dataset.py', f'{MINENT} list.pth --out o', 'AdaINStyleTransfer'),
    ('translate_dataset.py', f'{ADAIN} x.pth --out o --cfg-options model.x=1', 'model'),
    ('make_toystreets.py', '', 'required: --out'),
    ('make_toystreets.py', '--out o --num-source 0', '--num-source'),
    ('make_toystreets.py', '--out o --num-val -1', '--num-val'),
    ('make_toystreets.py', '--out o --num-target x', '--num-target'),
    ('make_toystreets.py', '--out o --num-val 9999999', 'num_val'),
    ('make_toystreets.py', '--out o --size 5', '--size'),
    ('make_toystreets.py', '--out o --size 8x8', '--size'),
    ('make_toystreets.py', '--out o --seed -1', '--seed'),
    ('make_toystreets.py', f'--out file.txt {OUT}', 'file.txt is no folder'),
    ('make_toystreets.py', f'--out file.txt/below {OUT}', 'file.txt is no folder'),
    # Studies.
    ('benchmark.py', '', 'required: study'),
    ('benchmark.py', 'none.py', 'none.py: no such config file'),
    ('benchmark.py', MINENT, 'is the config of a run'),
    ('benchmark.py', 'file.txt', 'file.txt: not a config'),
    ('benchmark.py', f'{CAMVID} --pair toystreets --dry-run', 'use the pair folders'),
    ('benchmark.py', f'{CAMVID} --seeds -1 --dry-run', '--seeds'),
    ('benchmark.py', f'{CAMVID} --seeds x --dry-run', '--seeds'),
    ('benchmark.py', f'{CAMVID} --only Minent --dry-run', 'Minent'),
    ('benchmark.py', f'{CAMVID} --out file.txt --dry-run', 'file.txt is no folder'),
    ('benchmark.py', f'{CAMVID} --out file.txt/x --dry-run', 'file.txt is no folder'),
    ('benchmark.py', f'{CAMVID} --slurm timeout_min=5', 'needs --launcher slurm'),
    ('benchmark.py', f'{CAMVID} --launcher moon', '--launcher: invalid choice'),
    ('benchmark.py', f'{CAMVID} --rerun MinEnt --tables-only', 'remove one'),
    ('benchmark.py', f'{CAMVID} --network none --dry-run', 'none'),
    # Figures.
    ('browse_dataset.py', f'{MINENT} --num 0', '--num'),
    ('browse_dataset.py', f'{MINENT} --out file.txt', 'file.txt is no folder'),
    ('browse_dataset.py', 'none.py', 'none.py: no such config file'),
    ('browse_dataset.py', f'{MINENT} --cfg-options trian_cfg.x=1', 'train_cfg?'),
    ('confusion_matrix.py', f'{MINENT} none', 'none'),
    ('confusion_matrix.py', f'{MINENT} none --out images', 'images is a folder'),
    ('confusion_matrix.py', f'{MINENT} none --out file.txt/a.png', 'is no folder'),
    ('draw_feature_map.py', 'a.npz', 'is not NAME=PATH'),
    ('draw_feature_map.py', 'a=none.npz', 'none.npz'),
    ('draw_feature_map.py', 'a=file.txt', 'file.txt'),
    ('draw_feature_map.py', 'a=none.npz --out images', 'images is a folder'),
    ('feature_map.py', f'{MINENT} none.pth', 'none.pth: no such checkpoint file'),
    ('feature_map.py', f'{MINENT} list.pth', 'list.pth'),
    ('feature_map.py', f'{MINENT} list.pth --out images', 'images is a folder'),
    ('loss_shares.py', MINENT, 'required: checkpoint'),
    ('loss_shares.py', f'{MINENT} none.pth', 'none.pth: no such checkpoint file'),
    ('loss_shares.py', f'{MINENT} list.pth', 'list.pth'),
    ('loss_shares.py', f'{MINENT} statistics.pth', 'running_statistics is no dict'),
    ('loss_shares.py', f'{MINENT} weights.pth', 'does not match the model'),
    ('loss_shares.py', f'{ADAIN} weights.pth', 'use the config of one'),
    ('loss_shares.py', f'{MINENT} list.pth --batches 0', '--batches'),
    ('loss_shares.py', f'{MINENT} list.pth --seed -1', '--seed'),
    ('loss_shares.py', f'{MINENT} x.pth --cfg-options trian_cfg.x=1', 'train_cfg?'),
    ('loss_shares.py', f'{MINENT} x.pth --network none', 'none'),
    ('plot_curves.py', 'none', 'none'),
    ('plot_curves.py', 'empty', 'empty'),
    ('plot_curves.py', 'empty --out images', 'images is a folder'),
    ('qualitative.py', f'{MINENT} a', 'is not NAME=PATH'),
    ('qualitative.py', f'{MINENT} a=none', 'none'),
    ('qualitative.py', f'{MINENT} a=none --num 0', '--num'),
    ('qualitative.py', f'{MINENT} a=none --out images', 'images is a folder'),
]  # fmt: skip
STUDY = f"""study = dict(
    name='s',
    rows=[dict(name='a', config={MINENT!r}, overrides={{'randomness.seed': 1}}),
          dict(name='b', config={DACS!r})],
    seeds=[0],
    columns=[dict(name='loss', key='loss')],
    shared={{}},
    data=None,
)
"""
# What is replaced in the study, by what, and what the message says.
STUDIES = [
    ("'randomness.seed'", "'trian_cfg.max_iters'", "overrides of row 'a'"),
    ("'randomness.seed'", "'default_hooks.checkpoint.intervall'", 'interval?'),
    ("'randomness.seed': 1", "'model': dict(loss_entropi=None)", 'model.loss_entropy?'),
    ("'randomness.seed': 1", "'train_cfg': dict(max_iter=1)", 'train_cfg.max_iters?'),
    ('shared={}', "shared={'model.momentm': 1}", 'model.momentm: unknown key'),
    ('shared={}', "shared={'train_cfg.max_iters': 0}", 'a positive integer'),
    ('shared={}', "shared={'optim_wrapper.optimizer.lr': 'x'}", 'of at least 0'),
    ('shared={}', 'shared=5', 'shared'),
    ('seeds=[0]', 'seeds=[-1]', 'seeds: must be an integer in 0-4294967295'),
    ('seeds=[0]', 'seeds=[True]', 'seeds'),
    ('seeds=[0]', 'seeds=[0.5]', 'seeds[0]'),
    ('seeds=[0]', 'seeds=[0, 0]', 'duplicate seed'),
    ('seeds=[0]', 'seeds=[]', 'seeds is empty'),
    ('seeds=[0]', 'sedes=[0]', 'did you mean seeds?'),
    ('seeds=[0]', 'seeds=[0], block_length=-1', 'block_length: must be a positive'),
    ('seeds=[0]', 'seeds=[0], block_length=0', 'block_length: must be a positive'),
    ("key='loss'", "key='loss', digits=-1", "column 'loss': digits"),
    ("key='loss'", "key='loss', scale=float('nan')", "column 'loss': scale"),
    ("key='loss'", "kee='loss'", "unknown key 'kee'; did you mean key?"),
    (
        'data=None',
        "data=dict(root='d', num_source=0, num_target=1, num_val=1)",
        'num_s',
    ),
    ('data=None', "data=dict(rot='d')", "unknown key 'rot'; did you mean root?"),
    ("name='a'", "name='b'", "duplicate row name 'b'"),
    ("name='a'", "nam='a'", "unknown key 'nam'; did you mean name?"),
    (repr(MINENT), "'none.py'", 'none.py: no such config file'),
    (repr(MINENT), '5', 'config is 5'),
    ('study =', 'stduy =', 'no `study = dict(...)`'),
]


def options():
    """Cases of tools/train.py that differ in one setting."""
    for table in (KEYS, TYPES, RANGES):
        for config, cases in table.items():
            for option, said in cases:
                yield config, option, said


@pytest.fixture(scope='module')
def checkpoints(tmp_path_factory):
    """Files that are no checkpoints of this package."""
    folder = tmp_path_factory.mktemp('checkpoints')
    weights = {'a': torch.zeros(1)}
    files = dict(
        list=dict(state_dict=[1, 2], meta={}),
        meta=dict(state_dict=weights, meta=None),
        values=dict(state_dict={'a': 1}, meta={}),
        names=dict(state_dict={1: torch.zeros(1)}, meta={}),
        nothing={},
        weights=dict(state_dict=weights, meta={}),
        statistics=dict(state_dict=weights, meta={}, running_statistics=[1]),
        config=dict(state_dict=weights, meta=dict(cfg='model = 5', dataset_meta=3)),
    )
    for name, content in files.items():
        torch.save(content, folder / f'{name}.pth')
    (folder / 'text.pth').write_text('no checkpoint')
    (folder / 'cut.pth').write_bytes((folder / 'list.pth').read_bytes()[:-100])
    return folder


@pytest.fixture
def place(shipped, toystreets, checkpoints):
    """A working directory with configs, data, an image and a few wrong files."""
    (shipped / 'data').mkdir()
    (shipped / 'data/toystreets').symlink_to(toystreets)
    (shipped / 'empty').mkdir()
    (shipped / 'images').symlink_to(ROOT / 'docs')
    (shipped / 'file.txt').write_text('text')
    for file in checkpoints.iterdir():
        (shipped / file.name).symlink_to(file)
    return shipped


@pytest.fixture
def refuses(place, monkeypatch, capsys):
    """Runs a tool here, up to where a run would start, and checks how it ends."""
    for module, name in ((warnings, 'showwarning'), (logging, 'raiseExceptions')):
        monkeypatch.setattr(module, name, getattr(module, name))
    for name in ('LOCAL_RANK', 'TORCH_FORCE_WEIGHTS_ONLY_LOAD'):
        monkeypatch.setenv(name, '0')
    for name in ('RANK', 'SLURM_PROCID', 'OMPI_COMM_WORLD_RANK'):
        monkeypatch.delenv(name, raising=False)

    def run(tool, arguments, *said):
        path = next((ROOT / 'tools').rglob(tool))
        before = tree(place)
        monkeypatch.setattr(sys, 'argv', [str(path), *shlex.split(arguments)])
        started = mock.patch(
            'mmengine.runner.Runner.from_cfg', side_effect=AssertionError
        )
        with started, pytest.raises(SystemExit) as ended:
            runpy.run_path(str(path), run_name='__main__')
        assert ended.value.code == 2
        one_line(capsys.readouterr().err, *said)
        assert tree(place) == before

    return run


def tree(folder):
    return {
        Path(parent, name)
        for parent, folders, files in os.walk(folder)
        for name in (*folders, *files)
    }


def one_line(errors, *said):
    lines = [line for line in errors.splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith('warning: ')]
    assert len(lines) == 1, errors
    assert lines[0].startswith('error: ')
    for words in said:
        assert words in lines[0]


@pytest.mark.parametrize(('config', 'option', 'said'), list(options()))
def test_a_wrong_setting(config, option, said, refuses):
    key = option.partition('=')[0].split('.')[0]
    refuses('train.py', f'{config} --cfg-options {shlex.quote(option)}', key, said)


@pytest.mark.parametrize(('text', 'said'), FILES)
def test_a_wrong_config_file(text, said, refuses, place):
    base = '' if '_base_' in text else f'_base_ = {str(ROOT / MINENT)!r}\n'
    (place / 'mine.py').write_text(f'{base}{text}\n')
    refuses('train.py', 'mine.py', said)


@pytest.mark.parametrize(('tool', 'arguments', 'said'), LINES)
def test_a_wrong_command_line(tool, arguments, said, refuses):
    refuses(tool, arguments, said)


@pytest.mark.parametrize(('old', 'new', 'said'), STUDIES)
def test_a_wrong_study(old, new, said, refuses, place):
    assert old in STUDY
    (place / 'study.py').write_text(STUDY.replace(old, new, 1))
    refuses('benchmark.py', 'study.py --dry-run', said)


def test_there_are_many():
    cases = [*options(), *FILES, *LINES, *STUDIES]
    assert len({str(case) for case in cases}) == len(cases) >= 150


@pytest.mark.slow
@pytest.mark.parametrize(
    ('tool', 'arguments', 'said'),
    [
        ('train.py', f'{MINENT} --cfg-options trian_cfg.max_iters=1', 'train_cfg?'),
        ('test.py', f'{MINENT} none.pth', 'none.pth'),
        ('infer.py', 'meta.pth images --out o', 'meta.pth'),
        ('benchmark.py', f'{CAMVID} --pair toystreets --dry-run', 'pair folders'),
        ('make_toystreets.py', '--out o --num-source 0', '--num-source'),
    ],
)
def test_a_process_of_its_own(tool, arguments, said, place):
    command = [sys.executable, ROOT / 'tools' / tool, *shlex.split(arguments)]
    environment = dict(os.environ, PYTHONPATH=str(ROOT))
    before = tree(place)
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 2
    one_line(done.stderr, said)
    assert tree(place) == before
