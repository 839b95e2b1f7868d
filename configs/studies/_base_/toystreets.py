# Shared by the studies on ToyStreets: the pair, and the source in the target's style.
study = dict(
    network='deeplabv2_r18',
    pair='toystreets',
    preparations=[
        dict(name='style encoder', train='configs/adain/encoder_toystreets.py'),
        dict(
            name='style transfer',
            train='configs/adain/adain_toystreets.py',
            needs=['style encoder'],
        ),
        dict(
            name='translation',
            translate='configs/adain/adain_toystreets.py',
            out='data/toystreets/gta5_to_cityscapes',
            needs=['style transfer'],
        ),
    ],
    data=dict(
        root='data/toystreets',
        num_source=400,
        num_target=400,
        num_val=100,
        size=(256, 128),
        seed=1,
    ),
)
# Studies of version 0.1 read them by this name.
toystreets = study
