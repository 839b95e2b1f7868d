# DeepLabV2 with ResNet-101 as ADVENT trains it: output stride 8, an auxiliary
# classifier on conv4, batch statistics with frozen affine parameters, BGR images; SGD
# with a poly decay over 250k iterations, stopped at 120k.
norm_cfg = dict(type='BN', requires_grad=False)
model = dict(
    type='SourceOnly',
    data_preprocessor=dict(
        type='DomainPreprocessor',
        mean=[104.00698793, 116.66876762, 122.67891434],
        std=[1.0, 1.0, 1.0],
        bgr_to_rgb=False,
        pad_val=0,
        seg_pad_val=255,
        size_divisor=1,
    ),
    backbone=dict(
        type='DeepLabResNet',
        depth=101,
        weights='torchvision',
        strides=(1, 2, 1, 1),
        dilations=(1, 1, 2, 4),
        out_indices=(2, 3),
        style='caffe',
        norm_cfg=norm_cfg,
        norm_eval=False,
    ),
    decode_head=dict(
        type='DLV2Head',
        in_channels=2048,
        in_index=1,
        num_classes=19,
        align_corners=True,
        loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True, loss_weight=1.0),
    ),
    auxiliary_head=dict(
        type='DLV2Head',
        in_channels=1024,
        in_index=0,
        num_classes=19,
        align_corners=True,
        loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True, loss_weight=0.1),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
# What the scheduler below is written for; with a shorter training it is compressed.
iterations = 120000
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=2.5e-4, momentum=0.9, weight_decay=5e-4),
    paramwise_cfg=dict(custom_keys={'head': dict(lr_mult=10.0)}),
)
param_scheduler = [
    dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=250000, by_epoch=False)
]
