# The development pair of the studies on ToyStreets: the trials of their searches.
study = dict(
    network='deeplabv2_r18',
    pair='toystreets_development',
    preparations=[
        dict(
            name='style encoder',
            train='configs/adain/encoder_toystreets_development.py',
        ),
        dict(
            name='style transfer',
            train='configs/adain/adain_toystreets_development.py',
            needs=['style encoder'],
        ),
        dict(
            name='translation',
            translate='configs/adain/adain_toystreets_development.py',
            out='data/toystreets_development/gta5_to_cityscapes',
            needs=['style transfer'],
        ),
    ],
    data=dict(
        root='data/toystreets_development',
        num_source=400,
        num_target=400,
        num_val=100,
        size=(256, 128),
        seed=2,
        camera='dashcam',
    ),
)
