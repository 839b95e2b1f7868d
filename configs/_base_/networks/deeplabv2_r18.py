# The same network on ResNet-18 of three eighths of its width, small enough to learn
# from random weights on a CPU; its normalisation is therefore trained.
_base_ = './deeplabv2_r101.py'
norm_cfg = dict(type='BN', requires_grad=True)
model = dict(
    backbone=dict(
        depth=18,
        base_channels=24,
        weights=None,
        style='pytorch',
        norm_cfg=norm_cfg,
    ),
    decode_head=dict(in_channels=192),
    auxiliary_head=dict(in_channels=96),
)
iterations = 400
# Random weights need a larger step than ADVENT's; all layers share it.
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='AdamW', lr=1e-3, weight_decay=1e-2),
    paramwise_cfg=dict(_delete_=True),
)
param_scheduler = [
    dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=400, by_epoch=False)
]
