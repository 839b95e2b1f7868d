_base_ = '../_base_/deeplabv2_r101_gta2city.py'
model = dict(
    type='AdvEnt',
    loss_adversarial=dict(
        decode=dict(type='GANLoss', loss_weight=1e-3),
        aux=dict(type='GANLoss', loss_weight=2e-4),
    ),
)
optim_wrapper = dict(
    constructor='JointOptimWrapperConstructor',
    discriminator=dict(optimizer=dict(type='Adam', lr=1e-4, betas=(0.9, 0.99))),
)
