_base_ = '../_base_/deeplabv2_r18_toystreets.py'
model = dict(type='SourceOnly')
# The upper bound: labelled target images in place of the source.
train_dataloader = dict(
    dataset=dict(
        source=dict(
            type='RawCityscapesDataset',
            data_root='data/toystreets/cityscapes',
            data_prefix=dict(img_path='leftImg8bit/train', seg_map_path='gtFine/train'),
        )
    )
)
