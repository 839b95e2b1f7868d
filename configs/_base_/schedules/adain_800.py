# AdaIN on crops of 128, in minutes on the CPU.
_base_ = './adain_160k.py'
optim_wrapper = dict(optimizer=dict(lr=2e-3))
# AdaIN's decay would not bring the rate down within so few iterations.
param_scheduler = [
    dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=800, by_epoch=False)
]
train_cfg = dict(max_iters=800, val_interval=400)
default_hooks = dict(
    logger=dict(interval=20),
    checkpoint=dict(interval=200),
    finite_loss=dict(interval=20),
)
