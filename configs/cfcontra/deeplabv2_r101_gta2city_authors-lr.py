# The backbone's rate as the published optimisers have it. Their list walks the modules
# of each stage and takes all parameters of each, so that a convolution appears once for
# its stage, once for its block and once for itself, one on a shortcut once more; the
# stem and the heads appear once. SGD steps a parameter as often as it is listed, and
# in the long run that is a rate of as many times (docs/parity.md).
_base_ = './deeplabv2_r101_gta2city.py'
shortcut = dict(lr_mult=4.0)
optim_wrapper = dict(
    paramwise_cfg=dict(
        custom_keys={
            'backbone.layer': dict(lr_mult=3.0),
            'backbone.layer1.0.downsample': shortcut,
            'backbone.layer2.0.downsample': shortcut,
            'backbone.layer3.0.downsample': shortcut,
            'backbone.layer4.0.downsample': shortcut,
        }
    )
)
