# The source takes the target's style while it is loaded, another one each time, instead
# of being read from a translated copy. configs/adain trains the translator.
_base_ = './deeplabv2_r101_gta2city.py'
train_size = (1280, 640)
source_pipeline = [
    dict(type='LoadImage'),
    dict(type='LoadLabels'),
    dict(type='MapLabels', table='cityscapes', size_tolerance=0.02),
    dict(type='Resize', scale=train_size, backend='pillow', interpolation='bicubic'),
    dict(
        type='AdaINStylize',
        config='configs/adain/adain_vgg19_gta2city.py',
        checkpoint='work_dirs/adain/adain_vgg19_gta2city/iter_160000.pth',
        styles='data/cityscapes/leftImg8bit/train',
        style_scale=train_size,
    ),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(
    # An image takes ten seconds of a core.
    num_workers=16,
    dataset=dict(source=dict(data_root='data/gta5', pipeline=source_pipeline)),
)
