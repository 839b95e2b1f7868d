# Published weights, and those chosen on the development pair (other streets, another
# camera) with the same number of trials for every method.
_base_ = './_base_/toystreets.py'
study = dict(
    name='tuned_toystreets',
    development=dict(
        pair='toystreets_development', trials=6, label_free='target/information'
    ),
    rows=[
        dict(
            name='source-only + target statistics',
            config='configs/adabn/deeplabv2_r18_toystreets.py',
        ),
        dict(
            name='MinEnt',
            config='configs/minent/deeplabv2_r18_toystreets.py',
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
        dict(name='oracle', config='configs/oracle/deeplabv2_r18_toystreets.py'),
    ],
    baseline='source-only + target statistics',
    oracle='oracle',
    reference='source-only + target statistics',
    seeds=[0, 1, 2],
)
