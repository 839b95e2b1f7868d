# The main classifier alone, without the one on conv4.
_base_ = './deeplabv2_r101_gta2city.py'
model = dict(auxiliary_head=None)
