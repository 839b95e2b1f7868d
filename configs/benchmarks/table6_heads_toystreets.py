# Table 6 on ToyStreets.
_base_ = ['./table6_heads.py', './_base_/toystreets.py']
config = 'configs/ablation/toystreets_3_minent_contrast.py'
heads = {
    'no head': {'model.projection_head': None},
    'linear': {'model.projection_head.structure': 'linear'},
    'SimCLR': {'model.projection_head.structure': 'simclr'},
    'BYOL': {'model.projection_head.structure': 'byol'},
    'MOCO': {'model.projection_head.structure': 'moco'},
}
study = dict(
    name='table6_heads_toystreets',
    data={{_base_.toystreets.data}},
    rows=[
        dict(name=name, config=config, cost=2.5, overrides=overrides)
        for name, overrides in heads.items()
    ],
)
