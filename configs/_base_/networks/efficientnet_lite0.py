# DeepLabV2's classifiers on EfficientNet-Lite0 of timm at output stride 16: a small
# network that starts from ImageNet. Its weights, Apache-2.0, are downloaded; `weights`
# may name a file of them. No paper adapts it: its training is SegFormer's, at a higher
# rate that was set once and not tuned.
_base_ = './segformer_b0.py'
model = dict(
    data_preprocessor=dict(mean=[127.5] * 3, std=[127.5] * 3),
    backbone=dict(
        _delete_=True,
        type='TimmFeatures',
        model_name='tf_efficientnet_lite0',
        weights='https://github.com/rwightman/pytorch-image-models/releases/download/'
        'v0.1-weights/tf_efficientnet_lite0-0aa007d2.pth',
        out_indices=(3, 4),
        output_stride=16,
    ),
    decode_head=dict(
        _delete_=True,
        type='DLV2Head',
        in_channels=320,
        in_index=1,
        num_classes=19,
        align_corners=True,
        loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True, loss_weight=1.0),
    ),
    auxiliary_head=dict(
        type='DLV2Head',
        in_channels=112,
        in_index=0,
        num_classes=19,
        align_corners=True,
        loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True, loss_weight=0.1),
    ),
)
optim_wrapper = dict(
    optimizer=dict(lr=2e-4),
    # Its normalisation is called bn.
    paramwise_cfg=dict(custom_keys=dict(bn=dict(decay_mult=0.0))),
)
