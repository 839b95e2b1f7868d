_base_ = [
    '../_base_/models/adain_small.py',
    '../_base_/datasets/style_toystreets.py',
    '../_base_/schedules/adain_160k.py',
]
model = dict(encoder=dict(weights='work_dirs/adain/encoder_toystreets/iter_300.pth'))
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
