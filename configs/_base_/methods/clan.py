# CLAN, with the weights published for GTA5.
_base_ = './discriminators.py'
method = dict(
    model=dict(
        type='CLAN',
        loss_adversarial=dict(type='GANLoss', loss_weight=1e-3),
        loss_discrepancy=dict(type='WeightDiscrepancyLoss', loss_weight=0.01),
        local_weight=40.0,
        epsilon=0.4,
        warm_up=0.05,
    )
)
