_base_ = [
    '../_base_/models/adain_vgg19.py',
    '../_base_/datasets/style_synthia2city.py',
    '../_base_/schedules/adain_160k.py',
]
