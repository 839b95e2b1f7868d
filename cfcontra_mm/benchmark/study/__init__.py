"""The study, which says what to compare: its file, fields and checks."""

from cfcontra_mm.old_names import old_attributes

from .load import load_study
from .study import Column, Preparation, Row, Study, default_work_dir

__all__ = [
    'Column',
    'Preparation',
    'Row',
    'Study',
    'default_work_dir',
    'load_study',
]

__getattr__ = old_attributes(__name__)
