# Every method, the ablation of CFContra and the bars on ToyStreets, with three seeds.
_base_ = './demo_toystreets.py'
study = dict(
    name='toystreets',
    rows=[
        dict(
            name='source-only', config='configs/source_only/deeplabv2_r18_toystreets.py'
        ),
        dict(
            name='source-only + target statistics',
            config='configs/adabn/deeplabv2_r18_toystreets.py',
        ),
        dict(
            name='MinEnt',
            config='configs/minent/deeplabv2_r18_toystreets.py',
            control=True,
        ),
        dict(
            name='AdaptSegNet',
            config='configs/adaptsegnet/deeplabv2_r18_toystreets.py',
        ),
        dict(
            name='AdvEnt',
            config='configs/advent/deeplabv2_r18_toystreets.py',
        ),
        dict(
            name='CLAN',
            config='configs/clan/deeplabv2_r18_toystreets.py',
        ),
        dict(
            name='DACS',
            config='configs/dacs/deeplabv2_r18_toystreets.py',
        ),
        dict(
            name='MinEnt + style',
            config='configs/ablation/toystreets_2_minent_style.py',
            needs=['translation'],
        ),
        dict(
            name='MinEnt + contrast',
            config='configs/ablation/toystreets_3_minent_contrast.py',
        ),
        dict(
            name='CFContra',
            config='configs/cfcontra/deeplabv2_r18_toystreets.py',
            needs=['translation'],
        ),
        dict(
            name='1/16 of the labels',
            config='configs/few_labels/deeplabv2_r18_toystreets_1-16.py',
        ),
        dict(
            name='1/4 of the labels',
            config='configs/few_labels/deeplabv2_r18_toystreets_1-4.py',
        ),
        dict(name='oracle', config='configs/oracle/deeplabv2_r18_toystreets.py'),
    ],
    seeds=[0, 1, 2],
)
