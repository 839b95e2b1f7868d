# The main classifier alone, without the one on conv4.
_base_ = './deeplabv2_r101_gta2city.py'
model = dict(auxiliary_head=None, adversarial_weights=dict(_delete_=True, decode=1e-3))
