# The source takes the target's style while it is loaded, another one each time, instead
# of being read from a translated copy. configs/adain trains the translator.
_base_ = './deeplabv2_r18_toystreets.py'
train_dataloader = dict(
    num_workers=_base_.stylising_workers,
    dataset=dict(source=_base_.stylised_source),
)
