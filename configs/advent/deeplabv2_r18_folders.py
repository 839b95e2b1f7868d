_base_ = '../_base_/deeplabv2_r18_folders.py'
model = dict(type='AdvEnt', adversarial_weights=dict(decode=1e-3, aux=2e-4))
optim_wrapper = dict(
    constructor='JointOptimWrapperConstructor',
    discriminator=dict(optimizer=dict(type='Adam', lr=1e-4, betas=(0.9, 0.99))),
)
