"""Run a study and make its table: start the runs as processes, read their results."""

from cfcontra_mm.old_names import old_attributes

from .runs.guards import INTERRUPTED, exit_status
from .runs.main import run_study, stopped
from .runs.overview import overview
from .runs.plan import plan_runs
from .runs.run import Run
from .study import Column, Preparation, Row, Study, load_study
from .tables.write import write_tables

__all__ = [
    'INTERRUPTED',
    'Column',
    'Preparation',
    'Row',
    'Run',
    'Study',
    'exit_status',
    'load_study',
    'overview',
    'plan_runs',
    'run_study',
    'stopped',
    'write_tables',
]

__getattr__ = old_attributes(__name__)
