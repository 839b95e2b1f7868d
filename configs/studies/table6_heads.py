# Table 6: projection heads for the contrastive loss, without style transfer.
config = 'configs/ablation/gta2city_3_minent_contrast.py'
heads = {
    'no head': {'model.projection_head': None},
    'linear': {'model.projection_head.structure': 'linear'},
    'SimCLR': {'model.projection_head.structure': 'simclr'},
    'BYOL': {'model.projection_head.structure': 'byol'},
    'MOCO': {'model.projection_head.structure': 'moco'},
}
study = dict(
    name='table6_heads',
    rows=[
        dict(
            name='source-only + target statistics',
            config='configs/adabn/deeplabv2_r101_gta2city.py',
        ),
        *(
            dict(name=name, config=config, overrides=overrides)
            for name, overrides in heads.items()
        ),
    ],
    published={
        'no head': dict(mIoU=44.4),
        'linear': dict(mIoU=44.0),
        'SimCLR': dict(mIoU=44.8),
        'BYOL': dict(mIoU=44.9),
        'MOCO': dict(mIoU=45.4),
    },
    reference='no head',
    seeds=[0, 1, 2],
)
