# A user's own images; the fields are those of ../pairs/folders.py. Crops of 256, or
# whole images where they are smaller.
_base_ = './common.py'
folders = dict(
    classes='',
    source_images='',
    source_labels='',
    target_images='',
    # Width and height that all images are resized to for training.
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
    num_workers=4,
    dataset=dict(
        source=dict(pipeline=train_pipeline, **labelled),
        target=dict(pipeline=train_pipeline, **unlabelled),
    ),
)
val_dataloader = dict(
    num_workers=2,
    dataset=dict(
        source=dict(pipeline=val_pipeline, **labelled),
        target=dict(pipeline=val_pipeline, **unlabelled),
    ),
)
