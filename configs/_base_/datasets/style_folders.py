# A user's own pictures of both domains, for style transfer; the fields are those of
# folders.py. Crops of 256, or whole pictures where they are smaller.
folders = dict(
    classes='',
    source_images='',
    source_labels='',
    target_images='',
    # Width and height that all pictures are resized to for training.
    size=(512, 256),
)
resize = dict(
    type='Resize', scale=(512, 256), backend='pillow', interpolation='bicubic'
)
train_pipeline = [
    dict(type='LoadImage'),
    resize,
    dict(type='RandomCrop', crop_size=(256, 256)),
    dict(type='PackSegInputs'),
]
val_pipeline = [dict(type='LoadImage'), resize, dict(type='PackSegInputs')]
test_pipeline = val_pipeline
labelled = dict(
    type='FolderDataset', classes='', data_prefix=dict(img_path='', seg_map_path='')
)
unlabelled = dict(type='FolderDataset', classes='', data_prefix=dict(img_path=''))
train_dataloader = dict(
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DomainSampler', per_domain=dict(source=4, target=4)),
    dataset=dict(
        type='DomainDataset',
        source=dict(pipeline=train_pipeline, **labelled),
        target=dict(pipeline=train_pipeline, **unlabelled),
    ),
)
# Whole pictures of the training folders; labels take no part.
val_dataloader = dict(
    batch_size=2,
    num_workers=2,
    sampler=dict(
        type='DomainSampler',
        per_domain=dict(source=1, target=1),
        seed=0,
        num_batches=100,
    ),
    dataset=dict(
        type='DomainDataset',
        source=dict(pipeline=val_pipeline, **labelled),
        target=dict(pipeline=val_pipeline, **unlabelled),
    ),
)
val_evaluator = dict(type='StyleDistance')
