# Pictures of both domains, for style transfer: crops of 256 from pictures of 1024x512.
resize = dict(
    type='Resize', scale=(1024, 512), backend='pillow', interpolation='bicubic'
)
train_pipeline = [
    dict(type='LoadImage'),
    resize,
    dict(type='RandomCrop', crop_size=(256, 256)),
    dict(type='PackSegInputs'),
]
val_pipeline = [dict(type='LoadImage'), resize, dict(type='PackSegInputs')]
source = dict(
    type='GTA5Dataset', data_root='data/gta5', data_prefix=dict(img_path='images')
)
target = dict(
    type='RawCityscapesDataset',
    data_root='data/cityscapes',
    data_prefix=dict(img_path='leftImg8bit/train'),
)
train_dataloader = dict(
    batch_size=8,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='DomainSampler', per_domain=dict(source=4, target=4)),
    dataset=dict(
        type='DomainDataset',
        source=dict(pipeline=train_pipeline, **source),
        target=dict(pipeline=train_pipeline, **target),
    ),
)
# Whole pictures of the training folders; labels take no part.
val_dataloader = dict(
    batch_size=2,
    num_workers=4,
    sampler=dict(
        type='DomainSampler',
        per_domain=dict(source=1, target=1),
        seed=0,
        num_batches=100,
    ),
    dataset=dict(
        type='DomainDataset',
        source=dict(pipeline=val_pipeline, **source),
        target=dict(pipeline=val_pipeline, **target),
    ),
)
val_evaluator = dict(type='StyleDistance')
