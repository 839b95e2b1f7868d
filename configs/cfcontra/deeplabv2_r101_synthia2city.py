_base_ = '../_base_/deeplabv2_r101_synthia2city.py'
model = dict(
    type='CFContra',
    entropy_weights=dict(decode=1e-3, aux=2e-4),
    projection_head=dict(
        type='ProjectionHead', structure='moco', in_channels=2048, out_channels=2048
    ),
    threshold=0.05,
    temperature=0.07,
    momentum=0.9,
    contrast_weight=1e-3,
    terms='all',
)
custom_hooks = [dict(type='MemoryBankHook', max_images=1000)]
# The source in the target's style: configs/adain, tools/translate_dataset.py.
train_dataloader = dict(dataset=dict(source=dict(data_root={{_base_.translated_root}})))
