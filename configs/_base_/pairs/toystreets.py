# ToyStreets, the embedded pair, in the layouts of GTA5 and Cityscapes, at its own size.
_base_ = '../schedules/small_pair.py'
source_root, target_root = 'data/toystreets/gta5', 'data/toystreets/cityscapes'
# The source in the target's style: configs/adain, tools/translate_dataset.py.
translated_root = 'data/toystreets/gta5_to_cityscapes'
source_pipeline = [
    dict(type='LoadImage'),
    dict(type='LoadLabels'),
    dict(type='MapLabels', table='cityscapes'),
    dict(type='PackSegInputs'),
]
target_pipeline = [dict(type='LoadImage'), dict(type='PackSegInputs')]
val_pipeline = source_pipeline
# What mmseg's inference functions run on an image.
test_pipeline = target_pipeline
tta_pipeline = [
    dict(type='LoadImage'),
    dict(
        type='TestTimeAug',
        transforms=[
            [
                dict(
                    type='Resize',
                    scale_factor=r,
                    backend='pillow',
                    interpolation='bicubic',
                )
                for r in (0.75, 1.0, 1.25)
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
        dict(type='LoadImage'),
        dict(
            type='AdaINStylize',
            config='configs/adain/adain_toystreets.py',
            checkpoint='work_dirs/adain/adain_toystreets/iter_800.pth',
            styles='data/toystreets/cityscapes/leftImg8bit/train',
        ),
        *source_pipeline[1:],
    ],
)
train_dataloader = dict(
    batch_size=4,
    num_workers=1,
    sampler=dict(per_domain=dict(source=2, target=2)),
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
    num_workers=1,
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
