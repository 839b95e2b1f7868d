# SYNTHIA -> Cityscapes under the conditions of gta2city.py; SYNTHIA labels 16 of the 19
# classes, and its papers score 16 or 13 of them.
_base_ = './gta2city.py'
source_root = 'data/synthia'
translated_root = 'data/synthia_to_cityscapes'
classes16 = [
    'road',
    'sidewalk',
    'building',
    'wall',
    'fence',
    'pole',
    'traffic light',
    'traffic sign',
    'vegetation',
    'sky',
    'person',
    'rider',
    'car',
    'bus',
    'motorcycle',
    'bicycle',
]
classes13 = classes16[:3] + classes16[6:]
source_pipeline = [
    dict(type='LoadImage'),
    dict(type='LoadSYNTHIALabels'),
    dict(type='MapLabels', table='synthia'),
    dict(type='Resize', scale=(1280, 640), backend='pillow', interpolation='bicubic'),
    dict(type='PackSegInputs'),
]
labelled_pipeline = [
    dict(type='LoadImage'),
    dict(type='LoadLabels'),
    dict(type='MapLabels', table='cityscapes'),
    dict(type='Resize', scale=(1280, 640), backend='pillow', interpolation='bicubic'),
    dict(type='PackSegInputs'),
]
labelled_target = dict(pipeline=labelled_pipeline)
stylised_source = dict(
    data_root=source_root,
    pipeline=[
        *source_pipeline[:-1],
        dict(
            type='AdaINStylize',
            config='configs/adain/adain_vgg19_synthia2city.py',
            checkpoint='work_dirs/adain/adain_vgg19_synthia2city/iter_160000.pth',
            styles='data/cityscapes/leftImg8bit/train',
            style_scale=(1280, 640),
        ),
        dict(type='PackSegInputs'),
    ],
)
train_dataloader = dict(
    dataset=dict(
        source=dict(
            _delete_=True,
            type='SYNTHIADataset',
            data_root=source_root,
            data_prefix=dict(img_path='RGB', seg_map_path='GT/LABELS'),
            pipeline=source_pipeline,
        )
    )
)
test_evaluator = [
    dict(type='DomainIoUMetric', subsets=dict(mIoU16=classes16, mIoU13=classes13)),
    dict(type='PseudoLabelAccuracy'),
]
val_evaluator = [*test_evaluator, dict(type='LabelFreeScores')]
