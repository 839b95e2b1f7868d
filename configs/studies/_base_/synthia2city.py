# SYNTHIA in the style of Cityscapes.
study = dict(
    network='deeplabv2_r101',
    pair='synthia2city',
    preparations=[
        dict(name='style transfer', train='configs/adain/adain_vgg19_synthia2city.py'),
        dict(
            name='translation',
            translate='configs/adain/adain_vgg19_synthia2city.py',
            out='data/synthia_to_cityscapes',
            needs=['style transfer'],
        ),
    ],
)
# Studies of version 0.1 read them by this name.
synthia2city = study
