_base_ = ['../_base_/deeplabv2_r101_synthia2city.py', '../_base_/methods/clan.py']
model = dict(_base_.method.model, local_weight=10.0)
optim_wrapper = _base_.method.optim_wrapper
