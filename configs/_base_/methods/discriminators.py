# The optimiser of all discriminators, whichever the method.
method = dict(
    optim_wrapper=dict(
        constructor='JointOptimWrapperConstructor',
        discriminator=dict(optimizer=dict(type='Adam', lr=1e-4, betas=(0.9, 0.99))),
    )
)
