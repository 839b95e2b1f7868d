_base_ = [
    './models/deeplabv2_r18.py',
    './datasets/folders.py',
    './schedules/poly_toystreets.py',
    './default_runtime.py',
]
