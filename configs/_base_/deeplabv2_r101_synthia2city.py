_base_ = [
    './networks/deeplabv2_r101.py',
    './pairs/synthia2city.py',
    './default_runtime.py',
]
train_cfg = dict(max_iters=_base_.iterations)
