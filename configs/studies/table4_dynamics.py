# Table 4: final training losses and accuracy of the pseudo-labels, without style
# transfer. The paper does not say at which iteration it reports the losses, nor what
# its percentages are relative to.
study = dict(
    name='table4_dynamics',
    rows=[
        dict(
            name='source-only', config='configs/source_only/deeplabv2_r101_gta2city.py'
        ),
        dict(
            name='source-only + target statistics',
            config='configs/adabn/deeplabv2_r101_gta2city.py',
        ),
        dict(name='MinEnt', config='configs/minent/deeplabv2_r101_gta2city.py'),
        dict(
            name='CONTRA (intra)',
            config='configs/ablation/gta2city_3_minent_contrast.py',
            overrides={'model.projection_head': None, 'model.terms': 'intra'},
        ),
        dict(
            name='CONTRA (all)',
            config='configs/ablation/gta2city_3_minent_contrast.py',
            overrides={'model.projection_head': None},
        ),
        dict(
            name='CONTRA (MOCO)',
            config='configs/ablation/gta2city_3_minent_contrast.py',
        ),
    ],
    columns=[
        dict(name='CE loss', key='source.decode.loss_ce', digits=3),
        dict(name='entropy loss', key='target.entropy', digits=3),
        dict(name='pseudo-label acc', key='training_mode/pseudo_acc'),
        dict(name='classifier, same pixels', key='training_mode/classifier_acc'),
    ],
    published={
        'source-only': {'CE loss': 0.160},
        'MinEnt': {'CE loss': 0.148, 'entropy loss': 0.148},
        'CONTRA (intra)': {
            'CE loss': 0.128,
            'entropy loss': 0.104,
            'pseudo-label acc': '+5 %',
        },
        'CONTRA (all)': {
            'CE loss': 0.115,
            'entropy loss': 0.08,
            'pseudo-label acc': '+3 %',
        },
        'CONTRA (MOCO)': {
            'CE loss': 0.112,
            'entropy loss': 0.09,
            'pseudo-label acc': '+15 %',
        },
    },
    reference='MinEnt',
    seeds=[0, 1, 2],
)
