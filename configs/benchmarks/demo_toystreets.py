# The rows of the paper's Table 3 between the lower and the upper bound.
study = dict(
    name='demo',
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
    rows=[
        dict(
            name='source-only', config='configs/source_only/deeplabv2_r18_toystreets.py'
        ),
        dict(
            name='MinEnt',
            config='configs/minent/deeplabv2_r18_toystreets.py',
            cost=2.0,
        ),
        dict(
            name='MinEnt + style',
            config='configs/ablation/toystreets_2_minent_style.py',
            cost=2.0,
            needs=['translation'],
        ),
        dict(
            name='MinEnt + contrast',
            config='configs/ablation/toystreets_3_minent_contrast.py',
            cost=2.5,
        ),
        dict(
            name='CFContra',
            config='configs/cfcontra/deeplabv2_r18_toystreets.py',
            cost=2.5,
            needs=['translation'],
        ),
        dict(name='oracle', config='configs/oracle/deeplabv2_r18_toystreets.py'),
    ],
    baseline='source-only',
    oracle='oracle',
    seeds=[0],
    data=dict(
        root='data/toystreets',
        num_source=400,
        num_target=400,
        num_val=100,
        size=(256, 128),
        seed=1,
    ),
)
