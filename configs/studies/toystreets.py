# Every method, the ablation of CFContra and the bars on ToyStreets, with three seeds.
# The weights of a row with `search` are also chosen on the development pair.
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
            search={'model.loss_entropy': (0.1, 1000.0)},
        ),
        dict(
            name='AdaptSegNet',
            config='configs/adaptsegnet/deeplabv2_r18_toystreets.py',
            search={'model.loss_adversarial': (0.1, 1000.0)},
        ),
        dict(
            name='AdvEnt',
            config='configs/advent/deeplabv2_r18_toystreets.py',
            search={'model.loss_adversarial': (0.1, 1000.0)},
        ),
        dict(
            name='CLAN',
            config='configs/clan/deeplabv2_r18_toystreets.py',
            search={
                'model.loss_adversarial': (0.1, 1000.0),
                'model.loss_discrepancy': (0.1, 10.0),
            },
        ),
        dict(
            name='DACS',
            config='configs/dacs/deeplabv2_r18_toystreets.py',
            search={'model.threshold': (0.5, 0.99)},
        ),
        dict(
            name='MinEnt + style',
            config='configs/ablation/toystreets_2_minent_style.py',
            needs=['translation'],
            search={'model.loss_entropy': (0.1, 1000.0)},
        ),
        dict(
            name='MinEnt + contrast',
            config='configs/ablation/toystreets_3_minent_contrast.py',
            search={
                'model.loss_entropy': (0.1, 1000.0),
                'model.loss_contrast': (1.0, 1000.0),
            },
        ),
        dict(
            name='CFContra',
            config='configs/cfcontra/deeplabv2_r18_toystreets.py',
            needs=['translation'],
            search={
                'model.loss_entropy': (0.1, 1000.0),
                'model.loss_contrast': (1.0, 1000.0),
            },
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
