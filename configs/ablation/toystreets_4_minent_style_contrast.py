_base_ = '../cfcontra/deeplabv2_r18_toystreets.py'
