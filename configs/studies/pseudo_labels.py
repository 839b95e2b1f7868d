# Where the contrast takes the target's labels from, at a weight at which it acts: the
# published one is a hundredth of it. Without style transfer.
config = 'configs/ablation/gta2city_3_minent_contrast.py'
weight = {'model.loss_contrast.loss_weight': 0.1}
study = dict(
    name='pseudo_labels',
    rows=[
        dict(
            name='source-only + target statistics',
            config='configs/adabn/deeplabv2_r101_gta2city.py',
        ),
        dict(name='MinEnt', config='configs/minent/deeplabv2_r101_gta2city.py'),
        dict(name='centers', config=config, overrides=weight),
        dict(
            name='classifier',
            config=config,
            overrides={
                **weight,
                'model.pseudo_labels': 'classifier',
                'model.start': 0.25,
            },
        ),
        dict(
            name='agree',
            config=config,
            overrides={**weight, 'model.pseudo_labels': 'agree'},
        ),
    ],
    columns=[
        dict(name='pseudo-label acc', key='training_mode/pseudo_acc'),
        dict(name='classifier, same pixels', key='training_mode/classifier_acc'),
        dict(name='share of pixels', key='training_mode/pseudo_share'),
    ],
    reference='MinEnt',
    seeds=[0, 1, 2],
)
