# DINOv2's ViT-S/14 (Oquab et al., TMLR 2024) of timm with a light head of two steps of
# up-sampling, much as in VFM-UDA (Englert et al., CVPRW 2024). Its weights, Apache-2.0,
# are downloaded; `weights` may name a file of them. Images are padded to whole patches.
# VFM-UDA's rates, 5e-5 for the head and a tenth of it for the encoder, grow with the
# square root of the batch; these are the ones for a batch of two.
_base_ = './segformer_b0.py'
model = dict(
    data_preprocessor=dict(size_divisor=14, test_cfg=dict(size_divisor=14)),
    backbone=dict(
        _delete_=True,
        type='TimmFeatures',
        model_name='vit_small_patch14_dinov2.lvd142m',
        weights='https://dl.fbaipublicfiles.com/dinov2/dinov2_vits14/'
        'dinov2_vits14_pretrain.pth',
        out_indices=(11,),
        dynamic_img_size=True,
        dynamic_img_pad=True,
    ),
    decode_head=dict(
        _delete_=True,
        type='SETRUPHead',
        in_channels=384,
        in_index=0,
        channels=256,
        num_convs=2,
        up_scale=2,
        kernel_size=3,
        dropout_ratio=0,
        num_classes=19,
        norm_cfg=dict(type='GN', num_groups=32),
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True, loss_weight=1.0),
    ),
)
optim_wrapper = dict(
    optimizer=dict(lr=7e-6),
    paramwise_cfg=dict(
        custom_keys=dict(
            _delete_=True,
            head=dict(lr_mult=10.0),
            norm=dict(decay_mult=0.0),
            pos_embed=dict(decay_mult=0.0),
        )
    ),
)
