_base_ = '../_base_/deeplabv2_r18_folders.py'
model = dict(type='AdaBN')
default_hooks = dict(statistics=dict(statistics='target'))
