_base_ = '../_base_/deeplabv2_r101_gta2city.py'
model = dict(type='AdaBN')
default_hooks = dict(statistics=dict(statistics='target'))
