"""Names of the parts of a segmentor."""

PARTS = ('backbone', 'neck', 'decode_head', 'auxiliary_head')
"""Keys of the parts of a segmentor in its config and its weights."""
