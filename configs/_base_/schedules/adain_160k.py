# AdaIN's published recipe: Adam, its rate divided by 1 + 5e-5 i.
_base_ = '../default_runtime.py'
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-4))
param_scheduler = [dict(type='InverseTimeLR', decay=5e-5, by_epoch=False)]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=160000, val_interval=10000)
val_cfg = dict(type='ValLoop')
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50, log_metric_by_epoch=False),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(
        type='AtomicCheckpointHook', by_epoch=False, interval=10000, max_keep_ckpts=3
    ),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    style_sheet=dict(type='StyleSheetHook', num_rows=4),
    finite_loss=dict(type='FiniteLossHook', interval=50),
    mean_losses=dict(type='MeanLossesHook'),
    validation_random_state=dict(type='ValidationRandomStateHook'),
    stop=dict(type='StopHook'),
    missed_validation=dict(type='MissedValidationHook'),
)
# One forward and backward for both domains; with device_ids it would refuse the CPU.
model_wrapper_cfg = dict(type='MMDistributedDataParallel', device_ids=None)
