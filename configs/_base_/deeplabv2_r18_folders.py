_base_ = [
    './networks/deeplabv2_r18.py',
    './pairs/folders.py',
    './default_runtime.py',
]
