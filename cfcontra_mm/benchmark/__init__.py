"""From a study to a table: start the runs as processes, read what they wrote."""

from .runs.main import INTERRUPTED, run_study, stopped, write_tables
from .runs.overview import overview
from .runs.plan import plan_runs
from .runs.step import Run
from .study.study import Column, Preparation, Row, Study, load_study

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
