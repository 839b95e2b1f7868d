# CFContra: MinEnt and the contrast against class centers.
_base_ = './minent.py'
method = dict(
    model=dict(
        type='CFContra',
        projection_head=dict(type='ProjectionHead', structure='moco'),
        loss_contrast=dict(
            type='ClassContrastiveLoss', temperature=0.07, loss_weight=1e-3
        ),
        threshold=0.05,
        momentum=0.9,
        terms='all',
    )
)
