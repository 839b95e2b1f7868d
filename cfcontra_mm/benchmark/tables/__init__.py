"""Make tables from results: statistics, summaries, selections, table formats."""

from cfcontra_mm.old_names import old_attributes

from .formats import (
    Table,
    csv_table,
    latex_table,
    markdown_table,
    read_table,
    text_table,
)
from .write import write_tables

__all__ = [
    'Table',
    'csv_table',
    'latex_table',
    'markdown_table',
    'read_table',
    'text_table',
    'write_tables',
]

__getattr__ = old_attributes(__name__)
