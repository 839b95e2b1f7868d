# Images of both domains of ToyStreets: crops of 128 at their own size.
_base_ = './gta2city.py'
train_pipeline = [
    dict(type='LoadImage'),
    dict(type='RandomCrop', crop_size=(128, 128)),
    dict(type='PackSegInputs'),
]
val_pipeline = [dict(type='LoadImage'), dict(type='PackSegInputs')]
source_root, target_root = 'data/toystreets/gta5', 'data/toystreets/cityscapes'
train_dataloader = dict(
    batch_size=4,
    num_workers=1,
    sampler=dict(per_domain=dict(source=2, target=2)),
    dataset=dict(
        source=dict(data_root=source_root, pipeline=train_pipeline),
        target=dict(data_root=target_root, pipeline=train_pipeline),
    ),
)
val_dataloader = dict(
    num_workers=1,
    sampler=dict(num_batches=50),
    dataset=dict(
        source=dict(data_root=source_root, pipeline=val_pipeline),
        target=dict(data_root=target_root, pipeline=val_pipeline),
    ),
)
