# SegFormer-B5, the encoder of DAFormer and its successors; see segformer_b0.py.
_base_ = './segformer_b0.py'
model = dict(
    backbone=dict(
        weights='https://mmassets.onedl.ai/mmsegmentation/v0.5/pretrain/segformer/'
        'mit_b5_20220624-658746d9.pth',
        embed_dims=64,
        num_layers=(3, 6, 40, 3),
    ),
    decode_head=dict(in_channels=(64, 128, 320, 512), channels=768),
)
