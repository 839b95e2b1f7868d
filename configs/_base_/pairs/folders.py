# A user's own pair. Set the fields of `folders` with --cfg-options folders.classes=… or
# in a config on top of this one; they fill the empty places below and the model's
# num_classes. Without val_images and val_labels nothing is validated.
_base_ = '../schedules/small_pair.py'
# All paths stand in `folders`: a copy in the target's style is its source_images.
source_root = translated_root = None
folders = dict(
    classes='',
    source_images='',
    source_labels='',
    target_images='',
    # For configs/oracle and configs/few_labels alone.
    target_labels='',
    val_images='',
    val_labels='',
    # Width and height that all images are resized to.
    size=(512, 256),
)
resize = dict(type='Resize', backend='pillow', interpolation='bicubic')
source_pipeline = [
    dict(type='LoadImage'),
    dict(type='LoadLabels'),
    dict(type='MapLabels', table=''),
    dict(scale=(512, 256), **resize),
    dict(type='PackSegInputs'),
]
target_pipeline = [
    dict(type='LoadImage'),
    dict(scale=(512, 256), **resize),
    dict(type='PackSegInputs'),
]
# Labels are read after the resizing, so that they are scored at their own size.
val_pipeline = [
    dict(type='LoadImage'),
    dict(scale=(512, 256), **resize),
    dict(type='LoadLabels'),
    dict(type='MapLabels', table=''),
    dict(type='PackSegInputs'),
]
# What mmseg's inference functions run on an image.
test_pipeline = target_pipeline
tta_pipeline = [
    dict(type='LoadImage'),
    dict(
        type='TestTimeAug',
        transforms=[
            [
                dict(scale=(int(512 * r), int(256 * r)), **resize)
                for r in (0.75, 1.0, 1.25)
            ],
            _base_.tta_flips,
            [dict(type='LoadLabels')],
            [dict(type='MapLabels', table='')],
            [dict(type='PackSegInputs')],
        ],
    ),
]
# The target's training images with labels: `target_images` and `target_labels`.
labelled_target = dict(
    type='FolderDataset',
    classes='',
    data_prefix=dict(img_path='target_images', seg_map_path='target_labels'),
    pipeline=source_pipeline,
)
train_dataloader = dict(
    batch_size=4,
    num_workers=2,
    sampler=dict(per_domain=dict(source=2, target=2)),
    dataset=dict(
        source=dict(
            type='FolderDataset',
            classes='',
            data_prefix=dict(img_path='', seg_map_path=''),
            pipeline=source_pipeline,
        ),
        target=dict(
            type='FolderDataset',
            classes='',
            data_prefix=dict(img_path=''),
            pipeline=target_pipeline,
        ),
    ),
)
val_dataloader = dict(
    num_workers=2,
    dataset=dict(
        type='FolderDataset',
        classes='',
        data_prefix=dict(img_path='', seg_map_path=''),
        pipeline=val_pipeline,
    ),
)
test_dataloader = val_dataloader
test_evaluator = [dict(type='DomainIoUMetric'), dict(type='PseudoLabelAccuracy')]
val_evaluator = [*test_evaluator, dict(type='LabelFreeScores')]
