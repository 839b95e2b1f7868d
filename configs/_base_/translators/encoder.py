# How the encoder of adain_small.py is trained: as the backbone of a DeepLabV2 that
# learns to segment the labelled source.
encoder = dict(
    model=dict(
        # The encoder normalises by itself.
        data_preprocessor=dict(mean=[0.0] * 3, std=[255.0] * 3, bgr_to_rgb=True),
        backbone=dict(_delete_=True, type='VGGEncoder', channels=(16, 32), convs=(2,)),
        decode_head=dict(in_channels=32),
        auxiliary_head=dict(in_channels=16),
    ),
    train_cfg=dict(max_iters=300, val_interval=300),
    param_scheduler=[
        dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=300, by_epoch=False)
    ],
)
