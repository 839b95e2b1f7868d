_base_ = [
    '../_base_/translators/adain_small.py',
    '../_base_/style_pairs/toystreets_development.py',
    '../_base_/schedules/adain_800.py',
]
model = dict(
    encoder=dict(weights='work_dirs/adain/encoder_toystreets_development/iter_300.pth')
)
