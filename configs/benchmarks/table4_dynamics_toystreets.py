# Table 4 on ToyStreets.
_base_ = ['./table4_dynamics.py', './_base_/toystreets.py']
study = dict(
    name='table4_dynamics_toystreets',
    data={{_base_.toystreets.data}},
    rows=[
        dict(
            name='source-only', config='configs/source_only/deeplabv2_r18_toystreets.py'
        ),
        dict(
            name='MinEnt', config='configs/minent/deeplabv2_r18_toystreets.py', cost=2.0
        ),
        dict(
            name='CONTRA (intra)',
            config='configs/ablation/toystreets_3_minent_contrast.py',
            cost=2.5,
            overrides={'model.projection_head': None, 'model.terms': 'intra'},
        ),
        dict(
            name='CONTRA (all)',
            config='configs/ablation/toystreets_3_minent_contrast.py',
            cost=2.5,
            overrides={'model.projection_head': None},
        ),
        dict(
            name='CONTRA (MOCO)',
            config='configs/ablation/toystreets_3_minent_contrast.py',
            cost=2.5,
        ),
    ],
)
