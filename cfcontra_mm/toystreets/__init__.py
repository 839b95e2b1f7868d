"""ToyStreets: procedural street scenes with the 19 Cityscapes classes, in two looks."""

from cfcontra_mm.toystreets.render import render
from cfcontra_mm.toystreets.write import write_toystreets

__all__ = ['render', 'write_toystreets']
