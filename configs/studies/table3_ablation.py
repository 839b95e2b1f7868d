# Table 3: what style transfer and the contrast each add to MinEnt; and, not in the
# paper's table, style transfer while the images are loaded, another style each time.
_base_ = './_base_/gta2city.py'
study = dict(
    name='table3_ablation',
    rows=[
        dict(
            name='MinEnt',
            config='configs/ablation/gta2city_1_minent.py',
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
