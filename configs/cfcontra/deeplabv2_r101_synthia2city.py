_base_ = '../_base_/deeplabv2_r101_synthia2city.py'
model = dict(
    type='CFContra',
    loss_entropy=dict(
        decode=dict(type='EntropyLoss', loss_weight=1e-3),
        aux=dict(type='EntropyLoss', loss_weight=2e-4),
    ),
    projection_head=dict(type='ProjectionHead', structure='moco'),
    loss_contrast=dict(type='ClassContrastiveLoss', temperature=0.07, loss_weight=1e-3),
    threshold=0.05,
    momentum=0.9,
    terms='all',
)
custom_hooks = [dict(type='MemoryBankHook', max_images=1000)]
# The source in the target's style: configs/adain, tools/translate_dataset.py.
train_dataloader = dict(dataset=dict(source=dict(data_root={{_base_.translated_root}})))
