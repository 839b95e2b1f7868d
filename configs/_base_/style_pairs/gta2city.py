# Images of GTA5 and Cityscapes: crops of 256 from images of 1024x512.
_base_ = './common.py'
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
    dataset=dict(
        source=dict(pipeline=train_pipeline, **source),
        target=dict(pipeline=train_pipeline, **target),
    )
)
val_dataloader = dict(
    dataset=dict(
        source=dict(pipeline=val_pipeline, **source),
        target=dict(pipeline=val_pipeline, **target),
    )
)
