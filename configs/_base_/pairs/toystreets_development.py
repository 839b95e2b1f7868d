# ToyStreets' development pair: other streets, and a target in another camera's look.
# Hyper-parameters are chosen on it, so that a table's own target is never seen.
_base_ = './toystreets.py'
source_root = 'data/toystreets_development/gta5'
target_root = 'data/toystreets_development/cityscapes'
translated_root = 'data/toystreets_development/gta5_to_cityscapes'
labelled_target = dict(data_root=target_root)
stylised_source = dict(
    data_root=source_root,
    pipeline=[
        dict(type='LoadImage'),
        dict(
            type='AdaINStylize',
            config='configs/adain/adain_toystreets_development.py',
            checkpoint='work_dirs/adain/adain_toystreets_development/iter_800.pth',
            styles='data/toystreets_development/cityscapes/leftImg8bit/train',
        ),
        *_base_.source_pipeline[1:],
    ],
)
train_dataloader = dict(
    dataset=dict(source=dict(data_root=source_root), target=dict(data_root=target_root))
)
val_dataloader = dict(dataset=dict(data_root=target_root))
test_dataloader = dict(dataset=dict(data_root=target_root))
