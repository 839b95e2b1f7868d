_base_ = [
    './models/deeplabv2_r18.py',
    './datasets/toystreets.py',
    './schedules/poly_toystreets.py',
    './default_runtime.py',
]
