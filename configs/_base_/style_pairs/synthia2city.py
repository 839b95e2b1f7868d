# Images of SYNTHIA and Cityscapes, as those of gta2city.py.
_base_ = './gta2city.py'
source = dict(
    type='SYNTHIADataset', data_root='data/synthia', data_prefix=dict(img_path='RGB')
)
train_dataloader = dict(dataset=dict(source=source))
val_dataloader = dict(dataset=dict(source=source))
