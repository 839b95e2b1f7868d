_base_ = '../_base_/deeplabv2_r101_synthia2city.py'
model = dict(type='SourceOnly')
# Beside the source, every 16th image of the target's training images, with its labels.
train_dataloader = dict(
    batch_size=2 + _base_.train_dataloader.sampler.per_domain.target,
    sampler=dict(per_domain=dict(source=[1, 1])),
    dataset=dict(
        source=[
            _base_.train_dataloader.dataset.source,
            dict(every=16, **_base_.labelled_target),
        ]
    ),
)
