# What the paper's code does where it departs from the paper (docs/parity.md).
_base_ = './deeplabv2_r101_gta2city.py'
model = dict(
    # In neither of the code's optimiser groups, so it stays at its random start.
    projection_head=dict(frozen=True),
    normalize_distance=False,
    cross_update=True,
    label_grid='truncated',
)
