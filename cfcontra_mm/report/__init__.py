"""The report of a study as one HTML file, and its sheet of predictions."""

from .report import write_report
from .sheet import write_sheet

__all__ = ['write_report', 'write_sheet']
