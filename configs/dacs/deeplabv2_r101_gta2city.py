_base_ = ['../_base_/deeplabv2_r101_gta2city.py', '../_base_/methods/dacs.py']
model = _base_.method.model
