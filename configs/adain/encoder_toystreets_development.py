# The encoder for adain_toystreets_development.py, as encoder_toystreets.py.
_base_ = [
    '../_base_/networks/deeplabv2_r18.py',
    '../_base_/pairs/toystreets_development.py',
    '../_base_/default_runtime.py',
    '../_base_/translators/encoder.py',
]
model = _base_.encoder.model
train_cfg = _base_.encoder.train_cfg
param_scheduler = _base_.encoder.param_scheduler
