# Pseudo-labels from the classifier, once it has learnt for a quarter of the training.
_base_ = './deeplabv2_r101_gta2city.py'
model = dict(pseudo_labels='classifier', start=0.25)
