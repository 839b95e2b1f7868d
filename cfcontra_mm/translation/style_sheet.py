"""What style transfer looks like while it is trained."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from PIL import Image, ImageDraw
from torch import Tensor

COLUMNS = ('content', 'style', 'translated')
MARGIN, HEADING = 4, 16


@HOOKS.register_module()
class StyleSheetHook(Hook):
    """Draws a sheet of content, style and translation at every validation.

    Args:
        num_rows: Pictures on the sheet, the first of the validation.
    """

    def __init__(self, num_rows: int) -> None:
        self.num_rows = num_rows
        self.rows: list[list[Image.Image]] = []

    def after_val_iter(
        self, runner: Runner, batch_idx: int, data_batch=None, outputs: Sequence = ()
    ) -> None:
        """Keep the first pictures."""
        for sample in outputs[: self.num_rows - len(self.rows)]:
            self.rows.append([_picture(sample[name]) for name in COLUMNS])

    def after_val_epoch(self, runner: Runner, metrics=None) -> None:
        """Hand the sheet to the visualisation backends as ``style_transfer``."""
        sheet = np.asarray(draw_style_sheet(self.rows))
        runner.visualizer.add_image('style_transfer', sheet, step=runner.iter)
        self.rows = []


def draw_style_sheet(rows: Sequence[Sequence[Image.Image]]) -> Image.Image:
    """Rows of content, style and translation, at the content's size, with headings."""
    width, height = rows[0][0].size
    across, down = width + MARGIN, height + MARGIN
    size = (MARGIN + len(COLUMNS) * across, HEADING + MARGIN + len(rows) * down)
    sheet = Image.new('RGB', size, 'white')
    for column, heading in enumerate(COLUMNS):
        x = MARGIN + column * across
        ImageDraw.Draw(sheet).text((x, 2), heading, fill='black')
        for row, pictures in enumerate(rows):
            picture = pictures[column].resize((width, height))
            sheet.paste(picture, (x, HEADING + MARGIN + row * down))
    return sheet


def _picture(values: Tensor) -> Image.Image:
    """RGB in [0, 1], (3, H, W), as a picture."""
    pixels = values.clamp(0, 1).mul(255).round().byte()
    return Image.fromarray(pixels.permute(1, 2, 0).numpy())
