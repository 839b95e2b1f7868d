# DINOv2's ViT-B/14; see dinov2_s.py.
_base_ = './dinov2_s.py'
model = dict(
    backbone=dict(
        model_name='vit_base_patch14_dinov2.lvd142m',
        weights='https://dl.fbaipublicfiles.com/dinov2/dinov2_vitb14/'
        'dinov2_vitb14_pretrain.pth',
    ),
    decode_head=dict(in_channels=768),
)
