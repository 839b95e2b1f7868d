"""A study's results to its table, in every format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cfcontra_mm.benchmark.study import Study
from cfcontra_mm.files import write_whole

from .formats import csv_table, latex_table, markdown_table, read_table, text_table
from .selections import (
    CAPTION,
    compare_selections,
    selection_csv,
    selection_latex,
    selection_text,
)


def write_tables(study: Study, out: Path, seeds: Sequence[int] = ()) -> None:
    """Print the table and write it in every format, from ``out/results.jsonl`` alone.

    Args:
        study: What was compared.
        out: Folder of the study's results.
        seeds: In place of the study's seeds.

    Raises:
        InputError: There are no results, or they do not belong together.
    """
    table, results = read_table(study, out, seeds)
    text = f'{text_table(table)}\n{table.caption()}\n'
    markdown = f'{markdown_table(table)}\n\n{table.caption()}\n'
    tabular = latex_table(table) + '\n'
    if selections := compare_selections(study, table.seeds, results):
        text += f'\n{selection_text(selections)}\n{CAPTION}\n'
        markdown += f'\n{selection_text(selections, markdown=True)}\n\n{CAPTION}\n'
        tabular += f'\n{selection_latex(selections)}\n'
        write_whole(out / 'selection.csv', selection_csv(selections))
    print(text, end='')
    write_whole(out / 'table.txt', text)
    write_whole(out / 'table.md', markdown)
    write_whole(out / 'table_short.md', markdown_table(table, classes=False) + '\n')
    write_whole(out / 'table.tex', tabular)
    write_whole(out / 'table.csv', csv_table(table))
    print(f'Written: {out}/table.txt, .md, .tex and .csv')
