# AdaptSegNet on both classifiers (multi level), with its published weights.
_base_ = './discriminators.py'
method = dict(
    model=dict(
        type='AdaptSegNet',
        loss_adversarial=dict(
            decode=dict(type='GANLoss', loss_weight=1e-3),
            aux=dict(type='GANLoss', loss_weight=2e-4),
        ),
    )
)
