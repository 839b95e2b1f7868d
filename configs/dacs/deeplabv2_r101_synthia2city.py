_base_ = '../_base_/deeplabv2_r101_synthia2city.py'
model = dict(type='DACS', momentum=0.99, threshold=0.968)
