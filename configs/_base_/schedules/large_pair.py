# Loops, hooks and loaders of a pair of thousands of images. The network says for how
# many iterations it trains.
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
    mean_losses=dict(type='MeanLossesHook'),
    loss_shares=dict(type='LossSharesHook', interval=4000),
    validation_random_state=dict(type='ValidationRandomStateHook'),
    # Tested as published; a study measures under statistics of the target too.
    statistics=dict(type='StatisticsHook', statistics='running', num_images=200),
    stop=dict(type='StopHook'),
    missed_validation=dict(type='MissedValidationHook'),
)
# How many images of each domain the first class centers are made of (CFContra).
center_images = 1000
# The pair says from which data sets, and how many images of each domain make a batch.
train_dataloader = dict(
    persistent_workers=True,
    sampler=dict(type='DomainSampler'),
    dataset=dict(type='DomainDataset'),
)
val_dataloader = dict(
    batch_size=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
)
test_dataloader = val_dataloader
# Test-time augmentation sees each image as it is and mirrored.
tta_flips = [
    dict(type='RandomFlip', prob=0.0, direction='horizontal'),
    dict(type='RandomFlip', prob=1.0, direction='horizontal'),
]
# Workers that stylise images while they are loaded.
stylising_workers = 16
