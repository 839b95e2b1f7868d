_base_ = ['../_base_/deeplabv2_r18_folders.py', '../_base_/methods/cfcontra.py']
model = _base_.method.model
custom_hooks = [dict(type='MemoryBankHook', max_images=_base_.center_images)]
