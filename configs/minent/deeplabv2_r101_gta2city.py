_base_ = '../_base_/deeplabv2_r101_gta2city.py'
model = dict(type='MinEnt', entropy_weights=dict(decode=1e-3, aux=2e-4))
