# AdaIN on a narrow encoder that needs no download: adain/encoder_toystreets.py trains
# it. For images a quarter as wide as GTA5's it ends at a quarter of the stride.
_base_ = './adain_vgg19.py'
model = dict(encoder=dict(channels=(16, 32), convs=(2,), weights=None))
