# GTA5 in the style of Cityscapes.
study = dict(
    network='deeplabv2_r101',
    pair='gta2city',
    preparations=[
        dict(name='style transfer', train='configs/adain/adain_vgg19_gta2city.py'),
        dict(
            name='translation',
            translate='configs/adain/adain_vgg19_gta2city.py',
            out='data/gta5_to_cityscapes',
            needs=['style transfer'],
        ),
    ],
)
# Studies of version 0.1 read them by this name.
gta2city = study
