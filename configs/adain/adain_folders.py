# A user's own images on the CPU, with the encoder of encoder_folders.py, crops of
# 128 and 800 iterations.
_base_ = [
    '../_base_/translators/adain_small.py',
    '../_base_/style_pairs/folders.py',
    '../_base_/schedules/adain_800.py',
]
model = dict(
    encoder=dict(weights='work_dirs/adain/encoder_folders/iter_300.pth'),
    # Photographs have colours that so small an encoder has no use for.
    identity_weight=10.0,
)
train_pipeline = [
    dict(type='LoadImage'),
    dict(type='Resize', scale=(512, 256), backend='pillow', interpolation='bicubic'),
    dict(type='RandomCrop', crop_size=(128, 128)),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(
    batch_size=4,
    num_workers=1,
    sampler=dict(per_domain=dict(source=2, target=2)),
    dataset=dict(
        source=dict(pipeline=train_pipeline), target=dict(pipeline=train_pipeline)
    ),
)
val_dataloader = dict(num_workers=1, sampler=dict(num_batches=50))
