_base_ = [
    './networks/deeplabv2_r18.py',
    './pairs/toystreets.py',
    './default_runtime.py',
]
