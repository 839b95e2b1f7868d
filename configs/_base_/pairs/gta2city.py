# GTA5 -> Cityscapes at CFContra's sizes: both domains resized to 1280x640 with Pillow's
# antialiased bicubic filter, no augmentation; tested at 1024x512, scored at 2048x1024.
_base_ = '../schedules/large_pair.py'
source_root, target_root = 'data/gta5', 'data/cityscapes'
# The source in the target's style: configs/adain, tools/translate_dataset.py.
translated_root = 'data/gta5_to_cityscapes'
train_size = (1280, 640)
test_size = (1024, 512)
resize = dict(type='Resize', backend='pillow', interpolation='bicubic')
source_pipeline = [
    dict(type='LoadImage'),
    dict(type='LoadLabels'),
    dict(type='MapLabels', table='cityscapes', size_tolerance=0.02),
    dict(scale=train_size, **resize),
    dict(type='PackSegInputs'),
]
target_pipeline = [
    dict(type='LoadImage'),
    dict(scale=train_size, **resize),
    dict(type='PackSegInputs'),
]
# Labels are read after the resizing, so that they are scored at their own size.
val_pipeline = [
    dict(type='LoadImage'),
    dict(scale=test_size, **resize),
    dict(type='LoadLabels'),
    dict(type='MapLabels', table='cityscapes'),
    dict(type='PackSegInputs'),
]
# What mmseg's inference functions run on an image.
test_pipeline = [
    dict(type='LoadImage'),
    dict(scale=test_size, **resize),
    dict(type='PackSegInputs'),
]
tta_pipeline = [
    dict(type='LoadImage'),
    dict(
        type='TestTimeAug',
        transforms=[
            [
                dict(scale=(int(1024 * r), int(512 * r)), **resize)
                for r in (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)
            ],
            _base_.tta_flips,
            [dict(type='LoadLabels')],
            [dict(type='MapLabels', table='cityscapes')],
            [dict(type='PackSegInputs')],
        ],
    ),
]
# The target's training images with labels, which the oracle alone reads.
labelled_target = dict(
    type='RawCityscapesDataset',
    data_root=target_root,
    data_prefix=dict(img_path='leftImg8bit/train', seg_map_path='gtFine/train'),
    pipeline=source_pipeline,
)
# The source in the target's style as it is loaded, another one each time.
stylised_source = dict(
    data_root=source_root,
    pipeline=[
        *source_pipeline[:-1],
        dict(
            type='AdaINStylize',
            config='configs/adain/adain_vgg19_gta2city.py',
            checkpoint='work_dirs/adain/adain_vgg19_gta2city/iter_160000.pth',
            styles='data/cityscapes/leftImg8bit/train',
            style_scale=train_size,
        ),
        dict(type='PackSegInputs'),
    ],
)
train_dataloader = dict(
    batch_size=2,
    num_workers=4,
    sampler=dict(per_domain=dict(source=1, target=1)),
    dataset=dict(
        source=dict(
            type='GTA5Dataset',
            data_root=source_root,
            data_prefix=dict(img_path='images', seg_map_path='labels'),
            pipeline=source_pipeline,
        ),
        target=dict(
            type='RawCityscapesDataset',
            data_root=target_root,
            data_prefix=dict(img_path='leftImg8bit/train'),
            pipeline=target_pipeline,
        ),
    ),
)
val_dataloader = dict(
    num_workers=4,
    dataset=dict(
        type='RawCityscapesDataset',
        data_root=target_root,
        data_prefix=dict(img_path='leftImg8bit/val', seg_map_path='gtFine/val'),
        pipeline=val_pipeline,
    ),
)
test_dataloader = val_dataloader
test_evaluator = [dict(type='DomainIoUMetric'), dict(type='PseudoLabelAccuracy')]
val_evaluator = [*test_evaluator, dict(type='LabelFreeScores')]
