# The source takes the target's style while it is loaded, another one each time, instead
# of being read from a translated copy. configs/adain trains the translator.
_base_ = './deeplabv2_r18_toystreets.py'
source_pipeline = [
    dict(type='LoadImage'),
    dict(
        type='AdaINStylize',
        config='configs/adain/adain_toystreets.py',
        checkpoint='work_dirs/adain/adain_toystreets/iter_800.pth',
        styles='data/toystreets/cityscapes/leftImg8bit/train',
    ),
    dict(type='LoadLabels'),
    dict(type='MapLabels', table='cityscapes'),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(
    dataset=dict(
        source=dict(data_root='data/toystreets/gta5', pipeline=source_pipeline)
    )
)
