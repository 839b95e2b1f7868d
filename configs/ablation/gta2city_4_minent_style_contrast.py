_base_ = '../cfcontra/deeplabv2_r101_gta2city.py'
