"""Log examples of the style transfer during its training."""

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
    """Log a sheet of content, style and translation at every validation.

    Args:
        num_rows: Number of rows, one for each of the first images of the validation.
    """

    def __init__(self, num_rows: int) -> None:
        self.num_rows = num_rows
        self.rows: list[list[Image.Image]] = []

    def after_val_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: Sequence[dict[str, Tensor]] = (),
    ) -> None:
        """Keep the first images."""
        for sample in outputs[: self.num_rows - len(self.rows)]:
            self.rows.append([_to_image(sample[name]) for name in COLUMNS])

    def after_val_epoch(
        self, runner: Runner, metrics: dict[str, float] | None = None
    ) -> None:
        """Pass the sheet to the visualisation backends as ``style_transfer``."""
        sheet = np.asarray(draw_style_sheet(self.rows))
        runner.visualizer.add_image('style_transfer', sheet, step=runner.iter)
        self.rows = []


def draw_style_sheet(rows: Sequence[Sequence[Image.Image]]) -> Image.Image:
    """Draw rows of content, style and translation with headings.

    Args:
        rows: Images of each row; all are resized to the first one.

    Returns:
        The sheet, RGB.
    """
    width, height = rows[0][0].size
    across, down = width + MARGIN, height + MARGIN
    size = (MARGIN + len(COLUMNS) * across, HEADING + MARGIN + len(rows) * down)
    sheet = Image.new('RGB', size, 'white')
    for column, heading in enumerate(COLUMNS):
        x = MARGIN + column * across
        ImageDraw.Draw(sheet).text((x, 2), heading, fill='black')
        for row, images in enumerate(rows):
            image = images[column].resize((width, height))
            sheet.paste(image, (x, HEADING + MARGIN + row * down))
    return sheet


def _to_image(values: Tensor) -> Image.Image:
    """Convert RGB in [0, 1], (3, H, W), to an image."""
    pixels = values.clamp(0, 1).mul(255).round().byte()
    return Image.fromarray(pixels.permute(1, 2, 0).numpy())
