# The rows of Table 3 between source-only under the target's statistics, which every
# method has to beat, and the oracle.
_base_ = './_base_/toystreets.py'
study = dict(
    name='demo',
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
        dict(name='oracle', config='configs/oracle/deeplabv2_r18_toystreets.py'),
    ],
    baseline='source-only + target statistics',
    oracle='oracle',
    reference='source-only + target statistics',
    feature_rows=['source-only', 'CFContra'],
    seeds=[0],
)
