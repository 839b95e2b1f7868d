# The encoder for adain_toystreets.py: it learns to segment the labelled source.
_base_ = ['../_base_/deeplabv2_r18_toystreets.py', '../_base_/translators/encoder.py']
model = _base_.encoder.model
train_cfg = _base_.encoder.train_cfg
param_scheduler = _base_.encoder.param_scheduler
