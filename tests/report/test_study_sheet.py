import shutil
from dataclasses import replace

from PIL import Image

from cfcontra_mm.benchmark import Row
from cfcontra_mm.report import write_sheet


def test_the_sheet_shows_every_row(study, tmp_path):
    rows = (*study.rows, Row('not run', study.rows[0].config))
    out = tmp_path / 'out'
    assert write_sheet(replace(study, rows=rows), out) == f'Written: {out}/sheet.png'
    # Input, labels and three rows of 256x128 beside, three images below each other.
    width, height = Image.open(out / 'sheet.png').size
    assert width == 6 + 5 * 262
    assert height > 3 * 134
    assert not list(out.rglob('*tmp*'))


def test_why_there_is_no_sheet(study, tmp_path):
    shutil.rmtree(tmp_path / 'data' / 'images')
    said = write_sheet(study, tmp_path / 'out')
    assert said.startswith('No sheet of predictions: ')
    assert not (tmp_path / 'out' / 'sheet.png').exists()
