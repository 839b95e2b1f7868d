# Pseudo-labels where the nearest center and the classifier agree.
_base_ = './deeplabv2_r101_gta2city.py'
model = dict(pseudo_labels='agree')
