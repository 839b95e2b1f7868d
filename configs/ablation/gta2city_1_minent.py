_base_ = '../minent/deeplabv2_r101_gta2city.py'
