"""ToyStreets: procedural street scenes with the 19 Cityscapes classes, in looks."""

from cfcontra_mm.toystreets.looks import CAMERAS
from cfcontra_mm.toystreets.render import render
from cfcontra_mm.toystreets.write import write_toystreets

__all__ = ['CAMERAS', 'render', 'write_toystreets']
