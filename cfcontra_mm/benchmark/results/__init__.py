"""What runs leave behind: records, ``results.jsonl``, provenance."""

from cfcontra_mm.old_names import old_attributes

from .records import Record, read_record, write_record
from .results_file import Entry, Result, read_results, write_results

__all__ = [
    'Entry',
    'Record',
    'Result',
    'read_record',
    'read_results',
    'write_record',
    'write_results',
]

__getattr__ = old_attributes(__name__)
