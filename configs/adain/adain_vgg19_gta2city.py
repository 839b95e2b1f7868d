_base_ = [
    '../_base_/translators/adain_vgg19.py',
    '../_base_/style_pairs/gta2city.py',
    '../_base_/schedules/adain_160k.py',
]
