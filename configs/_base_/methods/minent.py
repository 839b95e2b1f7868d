# MinEnt, with ADVENT's published weights.
method = dict(
    model=dict(
        type='MinEnt',
        loss_entropy=dict(
            decode=dict(type='EntropyLoss', loss_weight=1e-3),
            aux=dict(type='EntropyLoss', loss_weight=2e-4),
        ),
    )
)
