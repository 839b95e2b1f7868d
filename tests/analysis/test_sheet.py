from dataclasses import replace

import numpy as np
import pytest
from helpers import labelled_split, write_streets
from PIL import Image

from cfcontra_mm.analysis import sheet
from cfcontra_mm.analysis.sheet import colorize, draw_sheet, load_samples
from cfcontra_mm.config import open_config

ROAD, SKY = (128, 64, 128), (70, 130, 180)


@pytest.fixture
def images(tmp_path):
    """Folder of six 64x32 images, road below sky, with their labels."""
    return write_streets(tmp_path / 'data')


@pytest.fixture
def samples(images, tmp_path):
    config = tmp_path / 'config.py'
    config.write_text(labelled_split(images, {'road': [*ROAD], 'sky': [*SKY]}))
    return load_samples(open_config(config), 3)


def test_samples_are_spread_over_the_split(samples):
    assert [s.name for s in samples.samples] == ['street_0', 'street_2', 'street_5']
    label = samples.samples[0].label
    assert label.shape == (32, 64)
    assert (label[0, 10], label[20, 10], label[20, 0]) == (1, 0, 255)
    assert samples.palette.tolist() == [list(ROAD), list(SKY)]


def test_colorize():
    label = np.array([[0, 1, 255]], np.uint8)
    image = colorize(label, np.array([ROAD, SKY], np.uint8))
    assert [image.getpixel((x, 0)) for x in range(3)] == [ROAD, SKY, (0, 0, 0)]


def test_sheet_holds_input_truth_prediction_and_legend(samples, tmp_path):
    for sample in samples.samples:
        prediction = np.full((32, 64), 1, np.uint8)
        Image.fromarray(prediction).save(tmp_path / f'{sample.name}.png')
    image = draw_sheet(samples, {'method': tmp_path, 'failed one': None})
    step_x, step_y = sheet.PANEL_WIDTH + sheet.MARGIN, 128 + sheet.MARGIN

    def pixel(column, row, x=0.5, y=0.9):
        left = sheet.MARGIN + column * step_x + int(x * sheet.PANEL_WIDTH)
        return image.getpixel((left, sheet.TEXT_HEIGHT + row * step_y + int(y * 128)))

    assert [pixel(0, row) for row in range(3)] == [(v,) * 3 for v in (0, 80, 200)]
    assert pixel(1, 0) == ROAD
    assert pixel(1, 0, y=0.1) == SKY
    assert pixel(1, 0, x=0.01) == (0, 0, 0)
    assert pixel(2, 0) == SKY
    assert pixel(3, 0) == Image.new('RGB', (1, 1), 'lightgray').getpixel((0, 0))
    legend = image.crop((0, sheet.TEXT_HEIGHT + 3 * step_y, image.width, image.height))
    colours = {colour for _, colour in legend.getcolors(maxcolors=10000)}
    assert {ROAD, SKY} <= colours
    heading = image.crop((0, 0, step_x, sheet.TEXT_HEIGHT))
    assert len(heading.getcolors()) > 1  # there is text


def test_rows_of_other_shapes_have_their_own_height(samples):
    wide, tall, last = samples.samples
    tall = replace(
        tall,
        image=Image.new('RGB', (32, 64), 'red'),
        label=np.zeros((64, 32), np.uint8),
    )
    image = draw_sheet(replace(samples, samples=[wide, tall, last]), {})
    x = sheet.MARGIN + sheet.PANEL_WIDTH // 2
    top = sheet.TEXT_HEIGHT
    expected = []
    for colour, height in (((0,) * 3, 128), ((255, 0, 0), 512), ((200,) * 3, 128)):
        expected += [((x, y), colour) for y in (top, top + height - 1)]
        expected.append(((x, top + height), (255, 255, 255)))
        top += height + sheet.MARGIN
    assert [image.getpixel(point) for point, _ in expected] == [c for _, c in expected]
    legend = image.crop((0, top, image.width, image.height))
    colours = {colour for _, colour in legend.getcolors(maxcolors=10000)}
    assert {ROAD, SKY} <= colours
    assert (255, 0, 0) not in colours
