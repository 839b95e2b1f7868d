_base_ = ['../_base_/deeplabv2_r101_gta2city.py', '../_base_/methods/clan.py']
model = _base_.method.model
optim_wrapper = _base_.method.optim_wrapper
