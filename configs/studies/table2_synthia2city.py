# The rows of Table 2 with SYNTHIA as source, for which papers report 16 or 13 classes.
# CFContra's paper has no figures for SYNTHIA. Those of MinEnt and AdvEnt are from the
# ADVENT paper, of source-only and AdaptSegNet from the AdaptSegNet paper, of CLAN and
# CAG from CAG's poster, and of DACS from CorDA's repository.
_base_ = './_base_/synthia2city.py'
classes16 = [
    'road',
    'sidewalk',
    'building',
    'wall',
    'fence',
    'pole',
    'traffic light',
    'traffic sign',
    'vegetation',
    'sky',
    'person',
    'rider',
    'car',
    'bus',
    'motorcycle',
    'bicycle',
]
classes13 = classes16[:3] + classes16[6:]
# fmt: off
figures16 = {
    'MinEnt': [
        73.5, 29.2, 77.1,  7.7,  0.2, 27.0,  7.1, 11.4, 76.7, 82.1,
        57.2, 21.3, 69.4, 29.2, 12.9, 27.9, 38.1, 44.2,
    ],
    'AdvEnt': [
        87.0, 44.1, 79.7,  9.6,  0.6, 24.3,  4.8,  7.2, 80.1, 83.6,
        56.4, 23.7, 72.7, 32.6, 12.8, 33.7, 40.8, 47.6,
    ],
}
figures13 = {
    'source-only': [
        55.6, 23.8, 74.6,  6.1, 12.1, 74.8, 79.0, 55.3, 19.1, 39.6,
        23.3, 13.7, 25.0, 38.6,
    ],
    'AdaptSegNet': [
        84.3, 42.7, 77.5,  4.7,  7.0, 77.9, 82.5, 54.3, 21.0, 72.3,
        32.2, 18.9, 32.3, 46.7,
    ],
    'CLAN': [
        81.3, 37.0, 80.1, 16.1, 13.7, 78.2, 81.5, 53.4, 21.2, 73.0,
        32.9, 22.6, 30.7, 47.8,
    ],
    'CAG': [
        84.8, 41.7, 85.5, 13.7, 23.0, 86.5, 78.1, 66.3, 28.1, 81.8,
        21.8, 22.9, 49.0, 52.6,
    ],
}
# fmt: on
study = dict(
    name='table2_synthia2city',
    rows=[
        dict(
            name='source-only',
            config='configs/source_only/deeplabv2_r101_synthia2city.py',
        ),
        dict(
            name='source-only + target statistics',
            config='configs/adabn/deeplabv2_r101_synthia2city.py',
        ),
        dict(
            name='AdaptSegNet',
            config='configs/adaptsegnet/deeplabv2_r101_synthia2city.py',
        ),
        dict(
            name='CLAN',
            config='configs/clan/deeplabv2_r101_synthia2city.py',
        ),
        dict(
            name='AdvEnt',
            config='configs/advent/deeplabv2_r101_synthia2city.py',
        ),
        dict(name='CAG'),
        dict(
            name='MinEnt',
            config='configs/minent/deeplabv2_r101_synthia2city.py',
        ),
        dict(
            name='CFContra',
            config='configs/cfcontra/deeplabv2_r101_synthia2city.py',
            needs=['translation'],
        ),
        dict(
            name='DACS',
            config='configs/dacs/deeplabv2_r101_synthia2city.py',
        ),
        dict(
            name='1/16 of the labels',
            config='configs/few_labels/deeplabv2_r101_synthia2city_1-16.py',
        ),
        dict(
            name='1/4 of the labels',
            config='configs/few_labels/deeplabv2_r101_synthia2city_1-4.py',
        ),
        dict(
            name='oracle',
            config='configs/oracle/deeplabv2_r101_synthia2city.py',
        ),
    ],
    classes=classes16,
    columns=[dict(name='mIoU13', classes=classes13)],
    published={
        **{
            name: dict(zip([*classes16, 'mIoU', 'mIoU13'], row, strict=True))
            for name, row in figures16.items()
        },
        **{
            name: dict(zip([*classes13, 'mIoU13'], row, strict=True))
            for name, row in figures13.items()
        },
        'DACS': {'mIoU': 48.3, 'mIoU13': 54.8},
    },
    baseline='source-only + target statistics',
    oracle='oracle',
    reference='source-only + target statistics',
    feature_rows=['source-only', 'CFContra'],
    seeds=[0, 1, 2],
)
