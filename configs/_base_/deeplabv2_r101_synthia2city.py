_base_ = [
    './models/deeplabv2_r101.py',
    './datasets/synthia2city.py',
    './schedules/poly_120k.py',
    './default_runtime.py',
]
