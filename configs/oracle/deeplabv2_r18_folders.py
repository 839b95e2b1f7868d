_base_ = '../_base_/deeplabv2_r18_folders.py'
model = dict(type='SourceOnly')
# The upper bound: labelled target images in place of the source.
train_dataloader = dict(
    dataset=dict(source=dict(_delete_=True, **_base_.labelled_target))
)
