_base_ = '../_base_/deeplabv2_r101_gta2city.py'
model = dict(type='SourceOnly')
default_hooks = dict(statistics=dict(statistics='running'))
