"""Names of the parts of a segmentor."""

PARTS = ('backbone', 'neck', 'decode_head', 'auxiliary_head')
"""Parts that a trained segmentor consists of."""
