_base_ = [
    '../_base_/models/adain_vgg19.py',
    '../_base_/datasets/style_folders.py',
    '../_base_/schedules/adain_160k.py',
]
