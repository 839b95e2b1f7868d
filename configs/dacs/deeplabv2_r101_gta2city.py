_base_ = '../_base_/deeplabv2_r101_gta2city.py'
model = dict(type='DACS', momentum=0.99, threshold=0.968)
