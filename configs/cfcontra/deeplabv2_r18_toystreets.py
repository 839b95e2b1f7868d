_base_ = ['../_base_/deeplabv2_r18_toystreets.py', '../_base_/methods/cfcontra.py']
model = _base_.method.model
custom_hooks = [dict(type='MemoryBankHook', max_images=_base_.center_images)]
# The source in the target's style: configs/adain, tools/translate_dataset.py.
train_dataloader = dict(dataset=dict(source=dict(data_root=_base_.translated_root)))
