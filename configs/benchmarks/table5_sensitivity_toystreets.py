# Table 5 on ToyStreets.
_base_ = ['./table5_sensitivity.py', './_base_/toystreets.py']
config = 'configs/ablation/toystreets_3_minent_contrast.py'
settings = {
    'tau = 0.03': {'model.loss_contrast.temperature': 0.03},
    'tau = 0.05': {'model.loss_contrast.temperature': 0.05},
    'tau = 0.07': {'model.loss_contrast.temperature': 0.07},
    'tau = 0.14': {'model.loss_contrast.temperature': 0.14},
    'alpha = 0.9': {'model.momentum': 0.9},
    'alpha = 0.99': {'model.momentum': 0.99},
    't = 0.03': {'model.threshold': 0.03},
    't = 0.05': {'model.threshold': 0.05},
    'lambda = 0.1': {'model.loss_contrast.loss_weight': 0.1},
    'lambda = 0.01': {'model.loss_contrast.loss_weight': 0.01},
    'lambda = 0.001': {'model.loss_contrast.loss_weight': 0.001},
}
study = dict(
    name='table5_sensitivity_toystreets',
    data={{_base_.toystreets.data}},
    rows=[
        dict(name=name, config=config, cost=2.5, overrides=overrides)
        for name, overrides in settings.items()
    ],
)
