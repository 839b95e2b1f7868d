_base_ = '../_base_/deeplabv2_r101_synthia2city.py'
model = dict(
    type='MinEnt',
    loss_entropy=dict(
        decode=dict(type='EntropyLoss', loss_weight=1e-3),
        aux=dict(type='EntropyLoss', loss_weight=2e-4),
    ),
)
