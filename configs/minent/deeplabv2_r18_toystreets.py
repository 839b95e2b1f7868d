_base_ = ['../_base_/deeplabv2_r18_toystreets.py', '../_base_/methods/minent.py']
model = _base_.method.model
