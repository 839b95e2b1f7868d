# The single-level variant with the least-squares loss, and the weight published for it.
_base_ = './deeplabv2_r101_gta2city_single-level.py'
model = dict(gan='lsgan', adversarial_weights=dict(decode=1e-2))
