# The rows of the paper's Table 3 between the lower and the upper bound.
_base_ = './_base_/toystreets.py'
study = dict(
    name='demo',
    preparations={{_base_.toystreets.preparations}},
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
    reference='MinEnt',
    feature_rows=['source-only', 'CFContra'],
    seeds=[0],
    data={{_base_.toystreets.data}},
)
