"""The sheet of predictions of a study, a file of its own beside the report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cfcontra_mm.analysis.sheet import draw_sheet, load_samples
from cfcontra_mm.benchmark.results.records import PREDICTIONS
from cfcontra_mm.benchmark.study import Study
from cfcontra_mm.errors import InputError
from cfcontra_mm.files import whole_file

from .source import read_source

NUM_IMAGES = 4


def write_sheet(study: Study, out: Path, seeds: Sequence[int] = ()) -> str:
    """Write ``sheet.png``: images, their labels and the predictions of every row.

    Args:
        study: The study.
        out: Folder of the study's results.
        seeds: Seeds to use instead of the study's; the first one is shown.

    Returns:
        A message: the file that was written, or why none was.

    Raises:
        InputError: There are no results, or their images or classes differ.
    """
    folders = read_source(study, out, seeds).folders()
    predictions = {
        row.name: folders[row.name] / PREDICTIONS if row.name in folders else None
        for row in study.measured()
    }
    try:
        sheet = draw_sheet(load_samples(study.test_config(), NUM_IMAGES), predictions)
    except (InputError, OSError) as error:
        return f'No sheet of predictions: {error}'
    with whole_file(out / 'sheet.png') as temporary:
        sheet.save(temporary)
    return f'Written: {out}/sheet.png'
