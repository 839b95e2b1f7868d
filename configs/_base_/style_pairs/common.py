# How the images of two domains are loaded for training a style transfer. A file on top
# names the data sets of source and target, each once for training and for validation.
train_dataloader = dict(
    batch_size=8,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='DomainSampler', per_domain=dict(source=4, target=4)),
    dataset=dict(type='DomainDataset'),
)
# Whole images of the training folders; labels take no part.
val_dataloader = dict(
    batch_size=2,
    num_workers=4,
    sampler=dict(
        type='DomainSampler',
        per_domain=dict(source=1, target=1),
        seed=0,
        num_batches=100,
    ),
    dataset=dict(type='DomainDataset'),
)
val_evaluator = dict(type='StyleDistance')
