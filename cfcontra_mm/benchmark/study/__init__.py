"""The study, which says what to compare: its file, fields and checks."""

from cfcontra_mm.old_names import old_attributes

from .load import load_study, load_trials
from .study import (
    Column,
    Development,
    Preparation,
    Row,
    Study,
    TunedRow,
    default_work_dir,
)

__all__ = [
    'Column',
    'Development',
    'Preparation',
    'Row',
    'Study',
    'TunedRow',
    'default_work_dir',
    'load_study',
    'load_trials',
]

__getattr__ = old_attributes(__name__)
