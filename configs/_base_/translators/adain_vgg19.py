# AdaIN on VGG-19 up to relu4_1. Its style loss without the half of eq. 7 has weight 1
# in CFContra's code, 10 in AdaIN's.
model = dict(
    type='AdaINStyleTransfer',
    encoder=dict(
        type='VGGEncoder',
        channels=(64, 128, 256, 512),
        convs=(2, 2, 4),
        weights='torchvision',
    ),
    style_weight=2.0,
)
