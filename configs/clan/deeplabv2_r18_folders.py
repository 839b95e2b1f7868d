_base_ = '../_base_/deeplabv2_r18_folders.py'
model = dict(
    type='CLAN',
    loss_adversarial=dict(type='GANLoss', loss_weight=1e-3),
    loss_discrepancy=dict(type='WeightDiscrepancyLoss', loss_weight=0.01),
    local_weight=40.0,
    epsilon=0.4,
    warm_up=0.05,
)
optim_wrapper = dict(
    constructor='JointOptimWrapperConstructor',
    discriminator=dict(optimizer=dict(type='Adam', lr=1e-4, betas=(0.9, 0.99))),
)
