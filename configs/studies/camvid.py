# The rows of Table 2 on a pair of your own data: rendered streets to CamVid's photos.
# For another pair, copy this file, change everything above `unscaled`, and rename
# work_dirs/adain, which holds only one style transfer.
name = 'camvid'
source = 'data/streetsynth/images/train'
copy = 'data/streetsynth_to_camvid'
pair = {
    'folders.classes': 'configs/_base_/classes/camvid11.yaml',
    'folders.source_images': source,
    'folders.source_labels': 'data/streetsynth/labels/train',
    'folders.target_images': 'data/camvid/images/train',
    'folders.val_images': 'data/camvid/images/val',
    'folders.val_labels': 'data/camvid/labels/val',
    # Width and height for training, half those of the images.
    'folders.size': (240, 180),
}
# Images are translated at their original size.
unscaled = {key: pair[key] for key in pair if 'val' not in key}
unscaled['folders.size'] = (480, 360)
translated = {'folders.source_images': f'{copy}/{source.split("/")[-1]}'}
study = dict(
    name=name,
    preparations=[
        dict(
            name='style encoder',
            train='configs/adain/encoder_folders.py',
            overrides=pair,
        ),
        dict(
            name='style transfer',
            train='configs/adain/adain_folders.py',
            overrides=unscaled,
            needs=['style encoder'],
        ),
        dict(
            name='translation',
            translate='configs/adain/adain_folders.py',
            overrides=unscaled,
            out=copy,
            needs=['style transfer'],
        ),
    ],
    rows=[
        dict(name='source-only', config='configs/source_only/deeplabv2_r18_folders.py'),
        dict(
            name='source-only + target statistics',
            config='configs/adabn/deeplabv2_r18_folders.py',
        ),
        dict(
            name='AdaptSegNet',
            config='configs/adaptsegnet/deeplabv2_r18_folders.py',
        ),
        dict(name='CLAN', config='configs/clan/deeplabv2_r18_folders.py'),
        dict(name='AdvEnt', config='configs/advent/deeplabv2_r18_folders.py'),
        dict(name='DACS', config='configs/dacs/deeplabv2_r18_folders.py'),
        dict(name='MinEnt', config='configs/minent/deeplabv2_r18_folders.py'),
        dict(
            name='MinEnt + style',
            config='configs/minent/deeplabv2_r18_folders.py',
            overrides=translated,
            needs=['translation'],
        ),
        dict(
            name='CFContra',
            config='configs/cfcontra/deeplabv2_r18_folders.py',
            overrides=translated,
            needs=['translation'],
        ),
    ],
    baseline='source-only + target statistics',
    reference='source-only + target statistics',
    feature_rows=['source-only', 'CFContra'],
    shared=pair,
    seeds=[0, 1, 2],
)
