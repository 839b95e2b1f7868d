_base_ = '../minent/deeplabv2_r101_gta2city.py'
train_dataloader = dict(dataset=dict(source=dict(data_root='data/gta5_to_cityscapes')))
