# Table 3: the contribution of style transfer and of the contrastive loss to MinEnt.
# Style transfer on the fly, with a random style for each image, is not in the paper.
_base_ = './_base_/gta2city.py'
study = dict(
    name='table3_ablation',
    rows=[
        dict(
            name='source-only + target statistics',
            config='configs/adabn/deeplabv2_r101_gta2city.py',
        ),
        dict(
            name='MinEnt',
            config='configs/ablation/gta2city_1_minent.py',
            control=True,
        ),
        dict(
            name='MinEnt + style',
            config='configs/ablation/gta2city_2_minent_style.py',
            needs=['translation'],
        ),
        dict(
            name='MinEnt + contrast',
            config='configs/ablation/gta2city_3_minent_contrast.py',
        ),
        dict(
            name='CFContra',
            config='configs/ablation/gta2city_4_minent_style_contrast.py',
            needs=['translation'],
        ),
        dict(
            name='CFContra, on the fly',
            config='configs/cfcontra/deeplabv2_r101_gta2city_on-the-fly.py',
            needs=['style transfer'],
        ),
    ],
    published={
        'MinEnt': dict(mIoU=42.3),
        'MinEnt + style': dict(mIoU=44.8),
        'MinEnt + contrast': dict(mIoU=45.4),
        'CFContra': dict(mIoU=45.8),
    },
    reference='MinEnt',
    seeds=[0, 1, 2],
)
