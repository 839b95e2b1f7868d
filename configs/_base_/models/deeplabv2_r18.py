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
