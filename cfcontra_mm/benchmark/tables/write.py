"""Write the table of a study in every format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cfcontra_mm.benchmark.study import Study
from cfcontra_mm.files import write_whole

from .formats import csv_table, latex_table, markdown_table, read_table, text_table
from .selections import (
    compare_selections,
    selection_caption,
    selection_csv,
    selection_latex,
    selection_text,
)


def write_tables(
    study: Study, out: Path, seeds: Sequence[int] = (), remarks: Sequence[str] = ()
) -> None:
    """Print the table and write it in every format, from ``out/results.jsonl`` alone.

    Args:
        study: The study.
        out: Folder of the study's results.
        seeds: Seeds to use instead of the study's.
        remarks: Further notes of the table.

    Raises:
        InputError: There are no results, or their images or classes differ.
    """
    table, results = read_table(study, out, seeds, remarks)
    files = {
        'table.txt': f'{text_table(table)}\n{table.caption()}\n',
        'table.md': f'{markdown_table(table)}\n\n{table.caption()}\n',
        'table.tex': latex_table(table) + '\n',
        'table.csv': csv_table(table),
        'table_short.md': f'{markdown_table(table, classes=False)}\n\n'
        + '\n\n'.join(table.short_caption().splitlines())
        + '\n',
    }
    if selections := compare_selections(study, table.seeds, results):
        caption = selection_caption(selections)
        files['table.txt'] += f'\n{selection_text(selections)}\n{caption}\n'
        chosen = selection_text(selections, markdown=True)
        files['table.md'] += f'\n{chosen}\n\n{caption}\n'
        files['table.tex'] += f'\n{selection_latex(selections)}\n'
        files['selection.csv'] = selection_csv(selections)
    print(files['table.txt'], end='')
    for name, text in files.items():
        write_whole(out / name, text)
    print(f'Written: {out}/table.txt, .md, .tex and .csv')
