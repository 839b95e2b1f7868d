# SegFormer of 8 to 64 channels, with dropout everywhere and DropPath; one head.
model = dict(
    data_preprocessor=dict(
        type='DomainPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=255,
        size_divisor=1,
    ),
    backbone=dict(
        type='MixVisionTransformer',
        embed_dims=8,
        num_layers=[1, 1, 1, 1],
        num_heads=[1, 2, 5, 8],
        drop_rate=0.1,
        attn_drop_rate=0.1,
        drop_path_rate=0.3,
    ),
    decode_head=dict(
        type='SegformerHead',
        in_channels=[8, 16, 40, 64],
        in_index=[0, 1, 2, 3],
        channels=16,
        dropout_ratio=0.1,
        num_classes=19,
        norm_cfg=dict(type='BN', requires_grad=True),
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
