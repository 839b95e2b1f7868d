"""From a study to a table: start the runs as processes, read what they wrote."""

from .main import INTERRUPTED, run_study, stopped, write_tables
from .overview import overview
from .plan import plan_runs
from .steps import Run
from .study import Column, Preparation, Row, Study, load_study

__all__ = [
    'INTERRUPTED',
    'Column',
    'Preparation',
    'Row',
    'Run',
    'Study',
    'load_study',
    'overview',
    'plan_runs',
    'run_study',
    'stopped',
    'write_tables',
]
