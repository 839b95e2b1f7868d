_base_ = '../minent/deeplabv2_r18_toystreets.py'
