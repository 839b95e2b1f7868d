# Loops and hooks of a pair of thousands of images. The network says for how many
# iterations it trains.
train_cfg = dict(type='IterBasedTrainLoop', val_interval=4000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50, log_metric_by_epoch=False),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(
        type='AtomicCheckpointHook', by_epoch=False, interval=4000, max_keep_ckpts=3
    ),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    visualization=dict(type='SegVisualizationHook'),
    finite_loss=dict(type='FiniteLossHook', interval=50),
    sync_statistics=dict(type='SyncStatisticsHook'),
    validation_random_state=dict(type='ValidationRandomStateHook'),
)
