_base_ = ['../_base_/deeplabv2_r18_toystreets.py', '../_base_/methods/advent.py']
model = _base_.method.model
optim_wrapper = _base_.method.optim_wrapper
