_base_ = '../_base_/deeplabv2_r101_gta2city.py'
model = dict(type='SourceOnly')
# The upper bound: labelled target images in place of the source.
train_dataloader = dict(
    dataset=dict(
        source=dict(
            type='RawCityscapesDataset',
            data_root='data/cityscapes',
            data_prefix=dict(img_path='leftImg8bit/train', seg_map_path='gtFine/train'),
        )
    )
)
