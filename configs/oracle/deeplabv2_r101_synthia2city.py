_base_ = '../_base_/deeplabv2_r101_synthia2city.py'
model = dict(type='SourceOnly')
# The upper bound: labelled target images in place of the source.
train_dataloader = dict(
    dataset=dict(
        source=dict(
            _delete_=True,
            type='RawCityscapesDataset',
            data_root='data/cityscapes',
            data_prefix=dict(img_path='leftImg8bit/train', seg_map_path='gtFine/train'),
            pipeline=[
                dict(type='LoadImage'),
                dict(type='LoadLabels'),
                dict(type='MapLabels', table='cityscapes'),
                dict(
                    type='Resize',
                    scale=(1280, 640),
                    backend='pillow',
                    interpolation='bicubic',
                ),
                dict(type='PackSegInputs'),
            ],
        )
    )
)
