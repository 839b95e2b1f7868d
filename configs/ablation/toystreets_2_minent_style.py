_base_ = '../minent/deeplabv2_r18_toystreets.py'
train_dataloader = dict(dataset=dict(source=dict(data_root=_base_.translated_root)))
