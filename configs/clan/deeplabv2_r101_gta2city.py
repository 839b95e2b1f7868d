_base_ = '../_base_/deeplabv2_r101_gta2city.py'
model = dict(
    type='CLAN',
    decode_head=dict(classifiers=2),
    adversarial_weight=1e-3,
    local_weight=40.0,
    epsilon=0.4,
    divergence_weight=0.01,
    warm_up=0.05,
)
optim_wrapper = dict(
    constructor='JointOptimWrapperConstructor',
    discriminator=dict(optimizer=dict(type='Adam', lr=1e-4, betas=(0.9, 0.99))),
)
