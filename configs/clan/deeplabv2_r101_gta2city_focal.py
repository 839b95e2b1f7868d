# The supervised loss of the published code.
_base_ = './deeplabv2_r101_gta2city.py'
model = dict(focal_gamma=2.0)
