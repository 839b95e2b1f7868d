# The single-level variant with the least-squares loss, and the weight published for it.
_base_ = './deeplabv2_r101_gta2city_single-level.py'
model = dict(loss_adversarial=dict(decode=dict(gan_type='lsgan', loss_weight=1e-2)))
