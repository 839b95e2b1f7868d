# Eq. 8 as printed: the denominator leaves the positive out, so that the loss has no
# lower bound but that of unit vectors.
_base_ = './deeplabv2_r101_gta2city.py'
model = dict(loss_contrast=dict(include_positive=False))
