study = dict(
    name='demo',
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
            name='CFContra',
            config='configs/cfcontra/deeplabv2_r18_toystreets.py',
            cost=2.5,
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
