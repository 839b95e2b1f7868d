# Table 3 on ToyStreets.
_base_ = ['./table3_ablation.py', './_base_/toystreets.py']
study = dict(
    name='table3_ablation_toystreets',
    preparations={{_base_.toystreets.preparations}},
    data={{_base_.toystreets.data}},
    rows=[
        dict(
            name='MinEnt',
            config='configs/ablation/toystreets_1_minent.py',
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
            config='configs/ablation/toystreets_4_minent_style_contrast.py',
            cost=2.5,
            needs=['translation'],
        ),
        dict(
            name='CFContra, on the fly',
            config='configs/cfcontra/deeplabv2_r18_toystreets_on-the-fly.py',
            cost=2.5,
            needs=['style transfer'],
        ),
    ],
)
