# Loops and hooks of a pair of some hundred images: minutes on the CPU.
_base_ = './large_pair.py'
train_cfg = dict(max_iters=400, val_interval=100)
default_hooks = dict(
    logger=dict(interval=20),
    checkpoint=dict(interval=100),
    finite_loss=dict(interval=20),
    # From random weights, running statistics hide what a method learns.
    statistics=dict(statistics='target'),
    loss_shares=dict(interval=100),
)
center_images = 200
# Workers that stylise images while they are loaded.
stylising_workers = 1
