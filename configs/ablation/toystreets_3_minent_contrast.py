_base_ = '../cfcontra/deeplabv2_r18_toystreets.py'
train_dataloader = dict(dataset=dict(source=dict(data_root=_base_.source_root)))
